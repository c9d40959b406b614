# The family's file by Django, as a town's portal made with it has it: sessions
# in Redis, models over the portal's tables, prefetch, a template.  One process
# of gunicorn answers one request at a time on one kept connection.

import functools
import itertools
import json
import os
import re
import sys

import django
from django.conf import settings

PLACE = os.environ['PEERS']             # the directory that this file lies in

settings.configure(
    SECRET_KEY=os.environ['PEERS_SECRET'],
    ALLOWED_HOSTS=['*'],
    ROOT_URLCONF=__name__,
    USE_TZ=True,
    TIME_ZONE='Europe/Paris',
    LANGUAGE_CODE='fr',
    DEFAULT_AUTO_FIELD='django.db.models.BigAutoField',
    DATABASES={'default': {
        'ENGINE': 'django.db.backends.postgresql',
        'HOST': os.environ['PEERS_DATABASE'], 'NAME': 'portal', 'USER': 'peers',
        'CONN_MAX_AGE': None,
    }},
    CACHES={'default': {
        'BACKEND': 'django_redis.cache.RedisCache',
        'LOCATION': 'unix://' + os.environ['PEERS_REDIS'] + '?db=1',
        'OPTIONS': {'PASSWORD': os.environ['PEERS_REDIS_PASSWORD']},
    }},
    SESSION_ENGINE='django.contrib.sessions.backends.cache',
    SESSION_COOKIE_NAME='__Host-portal',
    CSRF_USE_SESSIONS=True,
    MIDDLEWARE=[
        'django.middleware.security.SecurityMiddleware',
        'django.contrib.sessions.middleware.SessionMiddleware',
        'django.middleware.common.CommonMiddleware',
        'django.middleware.csrf.CsrfViewMiddleware',
        'django.middleware.clickjacking.XFrameOptionsMiddleware',
    ],
    TEMPLATES=[{
        'BACKEND': 'django.template.backends.django.DjangoTemplates',
        'DIRS': [PLACE],
    }],
)
django.setup()

from django.core.cache import cache                         # noqa: E402
from django.core.wsgi import get_wsgi_application           # noqa: E402
from django.db import connection, models                    # noqa: E402
from django.db.models import Prefetch                       # noqa: E402
from django.http import Http404, HttpResponse               # noqa: E402
from django.shortcuts import render                         # noqa: E402
from django.contrib.sessions.backends.cache import SessionStore  # noqa: E402
from django.urls import path                                # noqa: E402
from django.utils import timezone                           # noqa: E402
from django.utils.crypto import get_random_string           # noqa: E402
from django.utils.safestring import mark_safe               # noqa: E402


# the labels and icons of the portal, read once

def _labels():
    with open(PLACE + '/fr.json', encoding='utf-8') as file:
        return json.load(file)


def _icons():
    icons = {}
    for name in os.listdir(PLACE + '/icon'):
        with open(PLACE + '/icon/' + name, encoding='utf-8') as file:
            icons[name.split('.')[0]] = mark_safe(file.read().strip())
    return icons


T = _labels()
ICONS = _icons()
MONTHS = ('janvier février mars avril mai juin juillet août septembre octobre '
          'novembre décembre').split()


def day(date):
    return '%d%s %s %d' % (date.day, 'er' if date.day == 1 else '',
                           MONTHS[date.month - 1], date.year)


def phone(number):
    digits = re.fullmatch(r'\+33(\d)(\d\d)(\d\d)(\d\d)(\d\d)', number or '')
    return '\u00a0'.join(digits.expand(r'0\1 \2 \3 \4 \5').split()) \
        if digits else said(number)


def said(value, of=None):
    if isinstance(value, bool):
        return T['display']['yes' if value else 'no']
    if not value:
        return T['display']['none']
    return T['list'][of].get(value, value) if of else value


# the tables; row-level security keeps to the town, as for the portal

class Table(models.Model):
    class Meta:
        abstract = True
        managed = False
        app_label = 'famille'


class Family(Table):
    number = models.TextField()
    label = models.TextField()
    updated_at = models.DateTimeField()

    class Meta(Table.Meta):
        db_table = 'family'


class Subscription(Table):
    account_id = models.BigIntegerField()
    family = models.ForeignKey(Family, models.DO_NOTHING)
    guardian_id = models.BigIntegerField()
    effective_at = models.DateTimeField()
    ended_at = models.DateTimeField()

    class Meta(Table.Meta):
        db_table = 'subscription'


class Request(Table):
    account_id = models.BigIntegerField()
    family = models.ForeignKey(Family, models.DO_NOTHING)
    number = models.TextField()
    section = models.TextField()
    action = models.TextField()
    state = models.TextField()

    class Meta(Table.Meta):
        db_table = 'change_set'


class Guardian(Table):
    family = models.ForeignKey(Family, models.DO_NOTHING)
    rank = models.SmallIntegerField()
    first_name = models.TextField()
    last_name = models.TextField()
    link = models.TextField()
    authority = models.BooleanField(null=True)
    payer = models.BooleanField()
    email = models.TextField(null=True)
    phone_mobile = models.TextField(null=True)

    class Meta(Table.Meta):
        db_table = 'guardian'

    link_said = property(lambda self: said(self.link, 'link'))
    authority_said = property(lambda self: said(self.authority))
    phone_said = property(lambda self: phone(self.phone_mobile))
    email_said = property(lambda self: said(self.email))


class Child(Table):
    first_name = models.TextField()
    last_name = models.TextField()
    birth_date = models.DateField()
    diet = models.TextField(null=True)

    class Meta(Table.Meta):
        db_table = 'child'

    birth_said = property(lambda self: day(self.birth_date))
    diet_said = property(lambda self: said(self.diet, 'diet'))


class Household(Table):
    child = models.ForeignKey(Child, models.DO_NOTHING, primary_key=True,
                              related_name='households')
    family = models.ForeignKey(Family, models.DO_NOTHING)
    rank = models.SmallIntegerField()

    class Meta(Table.Meta):
        db_table = 'child_family'


class Schooling(Table):
    child = models.ForeignKey(Child, models.DO_NOTHING, primary_key=True)
    name = models.TextField()
    level = models.TextField(null=True)
    year = models.TextField()

    class Meta(Table.Meta):
        db_table = 'schooling'

    level_said = property(lambda self: said(self.level, 'school_level'))


class Health(Table):
    child = models.ForeignKey(Child, models.DO_NOTHING, primary_key=True)
    allergies = models.TextField(null=True)

    class Meta(Table.Meta):
        db_table = 'health'


class Photo(Table):
    child = models.ForeignKey(Child, models.DO_NOTHING, primary_key=True)
    since = models.DateTimeField()

    class Meta(Table.Meta):
        db_table = 'child_photo'


class Town(models.Model):
    name = models.TextField()
    slug = models.TextField()
    service = models.TextField()
    logo = models.TextField()
    theme_css = models.TextField()
    phone = models.TextField()
    email = models.TextField()
    office = models.TextField()
    hours = models.TextField()

    class Meta(Table.Meta):
        db_table = 'town'

    phone_said = property(lambda self: phone(self.phone))


# what is the same on every page, read once by each process

@functools.lru_cache
def frame():
    town = Town.objects.get(slug='grandville')
    return {
        'town': town, 'icon': ICONS,
        't': filled(T, {'{{town.name}}': town.name, '{{town.office}}': town.office,
                        '{{user.idle_minutes}}': '30'}),
    }


def filled(labels, values):
    if isinstance(labels, dict):
        return {key: filled(label, values) for key, label in labels.items()}
    for name, value in values.items():
        labels = labels.replace(name, value)
    return labels


def page(request):
    account, number = request.session['account'], request.session['family']

    mine = list(Subscription.objects
                .filter(account_id=account, ended_at=None)
                .exclude(effective_at=None)
                .select_related('family').order_by('id'))
    current = [one for one in mine if one.family_id == number]
    if not current:
        raise Http404

    guardians = list(Guardian.objects.filter(family_id=number).order_by('rank'))
    for guardian in guardians:
        guardian.me = guardian.id == current[0].guardian_id

    places = (Household.objects.filter(family_id=number).order_by('rank')
              .select_related('child')
              .prefetch_related(
                  Prefetch('child__schooling_set',
                           Schooling.objects.order_by('-year')),
                  'child__health_set', 'child__photo_set',
                  'child__households'))
    children = []
    for place in places:
        child = place.child
        child.school = next(iter(child.schooling_set.all()), None)
        child.health = next(iter(child.health_set.all()), None)
        child.photo = next(iter(child.photo_set.all()), None)
        child.shared = len(child.households.all()) > 1
        children.append(child)

    asked = Request.objects.filter(
        account_id=account, family_id=number, action='add',
        section__in=('child_general', 'guardian_basic'),
        state__in=('sent', 'taken', 'incomplete'))

    family = current[0].family
    updated = timezone.localdate(family.updated_at)
    return render(request, 'famille.html', {
        **frame(), 'user': request.session['name'], 'account': account,
        'family': family, 'updated': updated, 'updated_said': day(updated),
        'mine': mine, 'guardians': guardians, 'children': children,
        'asked': asked,
    })


def document(request):
    with connection.cursor() as cursor:
        cursor.execute('select family_file(%s, %s)::text',
                       [request.session['account'], request.session['family']])
        file = cursor.fetchone()[0]
    if file is None:
        raise Http404
    return HttpResponse(file, content_type='application/json')


def family(request):
    if 'account' not in request.session:
        return HttpResponse(status=401)
    if 'text/html' in request.headers.get('Accept', ''):
        return page(request)
    return document(request)


urlpatterns = [path('famille', family)]
application = get_wsgi_application()


# lines of cookie, account, family: a session for each

def sessions(lines):
    while some := list(itertools.islice(lines, 5000)):
        found = {}
        for line in some:
            cookie, account, number = line.split()
            found[SessionStore.cache_key_prefix + cookie] = {
                'account': int(account), 'family': int(number),
                'name': 'Parent Généré', '_csrftoken': get_random_string(64)}
        cache.set_many(found, timeout=86400)


if __name__ == '__main__':
    sessions(sys.stdin)
