"""What a WSGI server runs."""

from service import settings
from service.factory import create_app

app = create_app(settings.load())
