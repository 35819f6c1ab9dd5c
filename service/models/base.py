"""The declarative base and the column types that every table shares."""

from datetime import datetime
from typing import Annotated, Any, ClassVar

from sqlalchemy import BigInteger, DateTime, Identity, LargeBinary, MetaData, Text, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, mapped_column

Id = Annotated[int, mapped_column(BigInteger, Identity(always=False), primary_key=True)]
CreatedAt = Annotated[datetime, mapped_column(DateTime(timezone=True), server_default=func.clock_timestamp())]
Key = Annotated[bytes, mapped_column(LargeBinary)]
Document = Annotated[dict[str, Any], mapped_column(JSONB, server_default="{}")]


class Base(DeclarativeBase):
    """All tables; constraints have predictable names so that migrations can address them."""

    type_annotation_map: ClassVar[dict[type, Any]] = {str: Text}
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
