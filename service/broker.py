"""Kombu's transport for Redis, of which one thing is mended. A message whose acknowledgement Redis does not take counts there as being
worked on for as long as the connection lasts: a worker that works on one at a time never takes another, and goes on seeming alive."""

from kombu.transport import redis, virtual


class _QoS(redis.QoS):
    def ack(self, delivery_tag: str) -> None:
        """Raises what Redis raises. The message may be delivered once more, which is true of every message."""
        try:
            super().ack(delivery_tag)
        except Exception:
            virtual.QoS.ack(self, delivery_tag)
            raise


class _Channel(redis.Channel):
    QoS = _QoS


class Transport(redis.Transport):
    """For `redis://` and `rediss://`."""

    Channel = _Channel
