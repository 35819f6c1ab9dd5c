"""Blueprints: what readers, SendGrid and monitoring reach over HTTP. A GET never changes anything."""
