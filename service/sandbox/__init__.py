"""A local stand-in for SendGrid: takes what SendGrid would take, refuses what it would refuse, and keeps every mail here.

It shares nothing with the product but HTTP, listens on 127.0.0.1 only, and sends nothing anywhere except event
webhooks to an address on this machine.
"""
