#!/usr/bin/perl

# Many towns on one server: "portal_tenant $variable".  A town is added and
# erased in the database alone, a name that is none says so, and no town is
# shown to another.

use Portal::Test;

use strict;
use warnings;
use utf8;

use Portal::Fault;
use Portal::Place qw(wait_for);

my $p = Portal::Stack->new;
my $port = $p->port;
my $static = $p->dir . '/static/';

$p->{http} = <<"CONF";
    server {
        listen 127.0.0.1:$port;
        server_name ~^(?<commune>[A-Za-z0-9-]+)\\.localhost\$;
        portal_tenant \$commune;
        include conf.d/portal/pages.inc;
        location ^~ /static/ { alias $static; }
        location = /qui { portal_allow public; add_header Town \$portal_tenant; return 204; }
    }
CONF
Portal::Test::adopt($p->start);

# a town like the first, under another name
sub add_town {
    my ($slug, $name) = @_;

    $p->psql(<<"SQL");
insert into portal.town (id, slug, name, service, family_service, origin, host, theme, logo,
        theme_css, phone, email, office, hours, counter, mail_from, mail_name,
        captcha_questions, subscription_effect)
select (select max(id) + 1 from portal.town), '$slug', '$name', t.service,
       t.family_service, 'http://$slug.localhost:$port', '$slug.localhost', t.theme, t.logo,
       t.theme_css, t.phone, 'mairie\@$slug.example', t.office, t.hours, 'Mairie de $name', t.mail_from,
       'Portail de $name', t.captcha_questions, 'immediate'
  from portal.town t where t.slug = 'saint-aubin'
SQL
}


### a name that is no town's

my $none = client(town => 'nulle-part');
my $page = $none->get('/');
is $page->status, 421, 'no such town';
like $page->title, qr/Aucun portail/, 'and the page says so';
unlike $page->content, qr/Saint-Aubin|Beaulieu/, 'of no other town';
unlike $page->content, qr/href="(?:tel|mailto):/, 'and of nobody to call';

my $json = $none->get('/session', headers => { Accept => 'application/json' });
is $json->status, 421, 'as JSON';
like $json->header('Content-Type'), qr{^application/problem\+json}, 'a problem';

is client(town => 'nulle-part')->post('/inscription', { a => 1 })->status, 421,
    'nor a form of it';
is client(town => 'Maj')->get('/')->status, 421, 'what is no short name is none';
is client(town => 'a' x 64)->get('/')->status, 421, 'nor what is too long';

my $before = metrics()->{portal_call_seconds_count};
my @pages = together(map { client(town => "t$_")->get('/', pending => 1) } 1 .. 200);
is_deeply tally(@pages), { 421 => 200 }, 'two hundred invented names';


### added while nginx runs

add_town('neuville', 'Neuville-sur-Lys');

my $c = client(town => 'neuville');
$page = $c->get('/');
is $page->status, 200, 'a town that was added just now';
like $page->content, qr/Neuville-sur-Lys/, 'has its name';
unlike $page->content, qr/Saint-Aubin/, 'and no other';

my $mine = client(town => 'neuville');
my ($person) = sign_up($mine);
confirm($mine, $person);
is $mine->get('/mon-espace')->status, 200, 'an account of it';

# that cookie is nobody's elsewhere
for my $town ('saint-aubin', 'beaulieu') {
    my $other = client(town => $town);
    $other->cookie('__Host-portal', $mine->cookie('__Host-portal'));
    is $other->get('/mon-espace')->status, 303, "its session is none in $town";
}

# the towns of the configuration are the same ones
is client(town => 'neuville')->get('/qui')->header('Town'), 'neuville', '$portal_tenant';

ok(wait_for(5, sub {
    my $m = metrics();
    grep { /town="neuville"/ } keys %$m;
}), 'counted by its name');
is scalar(grep { /town="t\d+"/ } keys %{ metrics() }), 0, 'and no invented one';


### its document changes, each worker hears of it

$p->psql("update portal.town set name = 'Neuville-en-Lys' where slug = 'neuville'");
ok(wait_for(5, sub {
    $mine->get('/mon-espace') for 1 .. 4;
    5 == grep { $c->get('/')->content =~ /Neuville-en-Lys/ } 1 .. 5;
}), 'another name');


### the database is away: who is unknown is not said not to be there

$p->pg->stop;
my $away = client(town => 'ailleurs')->get('/');
is $away->status, 503, 'a town that nobody can tell';
ok $away->header('Retry-After'), 'when to come again';
is client(town => 'neuville')->get('/aide')->status, 200, 'one that is known is served';
$p->pg->start;
ok(wait_for(20, sub { client(town => 'ailleurs')->get('/')->status == 421 }),
    'and then it is said');


### erased

$p->psql(<<'SQL');
create function pg_temp.go() returns void language plpgsql as $$
declare v_table text; v_town int := (select id from portal.town where slug = 'neuville');
begin
    set local session_replication_role = replica;
    for v_table in select c.relname from pg_class c join pg_attribute a on a.attrelid = c.oid
        where c.relnamespace = 'portal'::regnamespace and c.relkind = 'r' and a.attname = 'tenant'
    loop
        execute format('delete from portal.%I where tenant = %s', v_table, v_town);
    end loop;
    delete from portal.town where id = v_town;
end $$;
select pg_temp.go()
SQL
my $left = client(town => 'neuville');
ok(wait_for(10, sub {
    client(town => 'neuville')->get('/session') for 1 .. 4;
    4 == grep { $left->get('/aide')->status == 421 } 1 .. 4;
}), 'a town that was erased is there no more');

add_town('neuville', 'Neuville');
ok(wait_for(10, sub { 4 == grep { client(town => 'neuville')->get('/aide')->status == 200 } 1 .. 4 }),
    'and comes back');

done_testing;
