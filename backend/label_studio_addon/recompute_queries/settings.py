"""Label Studio's own settings with this app added;
set DJANGO_SETTINGS_MODULE=recompute_queries.settings to use them."""

import os

_OWN = os.environ.get("DJANGO_SETTINGS_MODULE", __name__)
# Label Studio's settings ask for settings while they are being read, which must not be these:
# they are empty so far.
os.environ["DJANGO_SETTINGS_MODULE"] = "label_studio.core.settings.label_studio"
try:
    from label_studio.core.settings.label_studio import *  # noqa: F403
    from label_studio.core.settings.label_studio import INSTALLED_APPS, MIDDLEWARE
finally:
    os.environ["DJANGO_SETTINGS_MODULE"] = _OWN

INSTALLED_APPS = [*INSTALLED_APPS, "recompute_queries"]
MIDDLEWARE = [*MIDDLEWARE, "recompute_queries.page.OutcomeScript"]
