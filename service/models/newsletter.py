"""A publication: sender, postal address, language, design, consent wording, tracking policy."""

from sqlalchemy import CheckConstraint
from sqlalchemy.orm import Mapped, mapped_column

from service.models.base import Base, CreatedAt, Id


class Newsletter(Base):
    """`tracking_policy`: agreed (only who agreed is tracked), not-objected, none. `maximum_audience` holds larger issues."""

    __tablename__ = "newsletters"
    __table_args__ = (CheckConstraint("tracking_policy IN ('agreed', 'not-objected', 'none')", name="tracking_policy"),)

    id: Mapped[Id]
    slug: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    sender_name: Mapped[str]
    sender_address: Mapped[str]
    reply_to: Mapped[str | None]
    postal_address: Mapped[str]
    language: Mapped[str] = mapped_column(server_default="en")
    design: Mapped[str] = mapped_column(server_default="gazette")
    brand_colour: Mapped[str] = mapped_column(server_default="#1f3a5f")
    tracking_policy: Mapped[str] = mapped_column(server_default="agreed")
    needs_approval: Mapped[bool] = mapped_column(server_default="false")
    maximum_audience: Mapped[int | None]
    time_zone: Mapped[str] = mapped_column(server_default="UTC")
    created_at: Mapped[CreatedAt]
