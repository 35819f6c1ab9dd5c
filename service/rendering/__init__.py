"""From an author's Markdown to what SendGrid is given: HTML with inlined styles, plain text, subject and tags.

Pure: no network, no clock, no database, no file but the designs' own. The only place that knows premailer.
"""
