"""What a test needs to come in by a mailed link: the address, and the answer to a request for one."""

from collections.abc import Callable
from typing import Any

from service import queue
from service.operations import linking
from service.tokens import Purpose, Signer

Sql = Callable[..., list[Any]]
Bells = list[tuple[str, tuple[int, ...]]]
MEI = "mei.distinct@readers.example"


def mailed_link(sql: Sql, bells: Bells) -> str:
    """The token of the link that the latest request has led to."""
    answer_requests(bells)
    ((link_id,),) = sql("SELECT link_id FROM mails WHERE kind = 'manage' ORDER BY id DESC LIMIT 1")
    return Signer(Purpose.MANAGE).sign(link_id)


def answer_requests(bells: Bells) -> None:
    for bell in [one for one in bells if one[0] == queue.ANSWER_LINK_REQUEST]:
        bells.remove(bell)
        linking.answer(*bell[1])
