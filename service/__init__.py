"""Broadsheet: a self-hosted email newsletter service that accounts for every copy.

The words used everywhere, and no others:

*Newsletter* (a publication) · *Subscriber* (a person) · *Subscription* (subscriber × newsletter) · *Consent record*
(who agreed to what exact wording, when, how) · *Suppression* (why we will not write to an address again) · *Issue* ·
*Design* (the layout an issue is poured into) · *Variant* (a language or audience version of the content) · *Cohort*
(variant × tracked or untracked) · *Delivery* (one issue, one subscriber) · *Batch* (at most 1000 deliveries: one row to
claim, one task, one request) · *Attempt* (one POST; one id, used once) · *Payload* (a raw POST from SendGrid) · *Event*
· *Ledger* (what became of every reader of an issue) · *Import* · *Operator* (staff) · *Audit entry* · *Sandbox* (our
local stand-in for SendGrid).
"""
