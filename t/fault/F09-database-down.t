#!/usr/bin/perl

# PostgreSQL is not there: when nginx starts, and later.

use Portal::Test;

use strict;
use warnings;
use utf8;

use Portal::Fault;

### nginx comes first

my $p = Portal::Stack->new;
$p->prepare;
$p->start_database;
$p->stop_database;
$p->start_redis;
$p->start_mail;
$p->start_nginx;
Portal::Test::adopt($p);

my $c = client();

cheap_ok($c, 'nginx started first');
like $c->get('/')->title, qr/Espace famille – votre commune/,
    'a name that holds anywhere';
ok log_lines(qr/database connection failed/), 'the log says so';

my $form = $c->get('/connexion');
my $login = { email => account(qr/couple/)->{email},
    password => account(qr/couple/)->{password} };
refused_busy_ok($c->submit($form, $login), undef, 'log-in, started first');

$p->start_database;
ok wait_for(6, sub { $c->get('/')->text =~ /Saint-Aubin-les-Prés/ }),
    'the town is known soon';
# the other worker may hear of its database a moment later
ok wait_for(6, sub { sign_in($c, $login)->status == 303 }), 'log-in without a reload';
back_ok($c, '/famille', 'the family file', 6);

### stopped, as pg_ctl stop -m fast and immediate do

for my $how ([INT => 'fast'], [QUIT => 'immediate']) {
    my ($signal, $name) = @$how;

    $p->stop_database($signal);
    busy_ok($c, $_, $name) for qw(/famille /mon-espace /mes-abonnements);
    busy_ok($c, '/famille', "$name, once more");
    cheap_ok($c, $name);
    is $c->get('/mes-abonnements/sans-code')->status, 200,
        "$name: a page for citizens that needs no database";

    my $other = client();
    refused_busy_ok($other->submit($other->get('/connexion'), $login), undef,
        "$name, log-in");
    refused_busy_ok($c->submit($c->get('/aide'), {}, form => '/deconnexion'),
        undef, "$name, log-out");
    ok $c->cookie('__Host-portal'), "$name: not told to be logged out";

    $p->start_database;
    back_ok($c, '/famille', $name, 8);
}

is $c->submit($c->get('/mon-espace'), {}, form => '/deconnexion')->status, 303,
    'now the log-out works';

done_testing;
