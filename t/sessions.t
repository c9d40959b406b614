#!/usr/bin/perl

# Sessions as their owner sees them: how long they last, how they are
# prolonged, what happens to a form when one ends, and the list of them.

use strict;
use warnings;
use utf8;

use Portal::Test;
use Portal::Fault qw(twin as_json);

my $portal = portal();
my $camille = account(qr/couple/);
my $julien = (grep { $_->{email} =~ /^julien/ } @{ $portal->demo->{accounts} })[0];

sub in {
    my ($person, %o) = @_;

    my $c = client(%o);
    my $r = sign_in($c, $person);
    die 'no log-in: ', $r->status, "\n" if $r->status != 303;

    return $c;
}

sub mac_of {
    my ($c) = @_;

    return tool("mac\tsaint-aubin\tsession\t" . $c->cookie('__Host-portal'));
}

# as if the last use had been so many seconds ago
sub idle_for {
    my ($c, $seconds) = @_;

    my $left = 1800 + 60 - $seconds;
    $portal->redis_cli('SET', 'seen:' . mac_of($c), time - $seconds, 'EX', $left);
}

sub session_of { as_json($_[0])->get('/session') }


### GET /session: who, how long, and the token

{
    my $c = client(json => 1);
    my $r = $c->get('/session');
    is $r->status, 200, 'anonymous: 200';
    like $r->header('content-type'), qr{^application/json}, 'anonymous: JSON';
    my $s = $r->json;
    ok !$s->{signed_in}, 'anonymous: nobody';
    is $s->{account}, undef, 'anonymous: no account';
    is_deeply $s->{roles}, [], 'anonymous: no role';
    ok exists $s->{$_}, "anonymous: $_ is there" for qw(name family limits);
    like $s->{csrf}, qr/^[\w-]{86}$/, 'anonymous: a token';
    my $in = $c->post('/connexion', { csrf => $s->{csrf}, email => $camille->{email},
        password => $camille->{password} });
    is $in->status, 200, 'which a log-in takes' or diag $in->content;

    $s = $c->get('/session')->json;
    ok $s->{signed_in}, 'signed in';
    is $s->{account}, $portal->psql("select id from portal.account
        where email = '$camille->{email}'"), 'the account';
    like $s->{name}, qr/^Camille /, 'the name';
    is_deeply $s->{roles}, ['citizen', 'family'], 'the roles';
    like $s->{family}{label}, qr/Martin/, 'the family';
    is $s->{limits}{idle}, 1800, 'the idle limit';
    like $s->{limits}{absolute_until}, qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/,
        'the absolute end';
    cmp_ok $s->{limits}{left}, '>', 1790, 'seconds left';
    cmp_ok $s->{limits}{left}, '<=', 1860, 'seconds left, not more';
    is $s->{limits}{warning}, 120, 'when to warn';
    is $s->{limits}{ends}, 'idle', 'what comes first';
    is $c->post('/session/prolongation', { csrf => $s->{csrf} })->status, 200,
        'the token is good';

    my $page = client()->get('/session');
    is $page->status, 200, 'HTML: 200';
    like $page->text, qr/Vous n’êtes pas connecté/, 'HTML: nobody';
    $page = twin($c, json => 0)->get('/session',
        headers => { Referer => $c->origin . '/mes-abonnements?x=1' });
    like $page->text, qr/après 30 minutes sans activité/, 'HTML: the limit in words';
    ok((grep { $_ eq 'Prolonger' } buttons($page)), 'HTML: « Prolonger »');
    my $back = twin($c, json => 0)->submit($page, {}, form => 'prolongation');
    is $back->status, 303, 'HTML: prolonged';
    is $back->location, '/mes-abonnements?x=1', 'HTML: back where it came from';
    for my $evil ('//evil.example', 'https://evil.example/', '/\\evil.example') {
        my $b = twin($c, json => 0)->submit($page, { path => $evil },
            form => 'prolongation');
        is $b->location, '/mon-espace', "HTML: never to $evil";
    }
    like twin($c, json => 0)->get('/aide')->text, qr/après 30 minutes sans activité/,
        'every page says how long a session lasts';
    unlike client()->get('/aide')->text, qr/sans activité/, 'but not to nobody';
}


### asking is no use; « Prolonger » is

{
    my $c = in($camille, source => '127.0.3.1');
    my $mac = mac_of($c);

    idle_for($c, 1700);
    my $s = session_of($c)->json;
    ok $s->{signed_in}, 'T058 idle for a while: still there';
    cmp_ok $s->{limits}{left}, '<=', 160, 'T058 little is left';
    cmp_ok $s->{limits}{left}, '>', 100, 'T058 but some';
    session_of($c) for 1 .. 3;
    cmp_ok $portal->redis_cli('TTL', "seen:$mac"), '<=', 160,
        'asking prolongs nothing';
    cmp_ok session_of($c)->json->{limits}{left}, '<=', 160, 'whoever asks';

    my $j = as_json($c);
    my $r = json_post($j, '/session/prolongation', {}, page => '/session');
    is $r->status, 200, 'prolonged';
    cmp_ok $r->json->{limits}{left}, '>', 1790, 'and told so';
    ok !exists $r->json->{session}, 'without what is for nginx alone';
    cmp_ok session_of($c)->json->{limits}{left}, '>', 1790, 'it is so';
    cmp_ok $portal->redis_cli('TTL', "seen:$mac"), '>', 1790, 'for every node';
    is mac_of($c), $mac, 'with the same identifier';

    # within the minute in which a use is told once, it counts as well
    idle_for($c, 1750);
    $r = json_post($j, '/session/prolongation', {}, page => '/session');
    cmp_ok session_of($c)->json->{limits}{left}, '>', 1790, 'again at once';

    $portal->psql("update portal.session set absolute_until = now() + interval '100 s'
        where hash = decode('$mac', 'hex')");
    $s = session_of($c)->json;
    cmp_ok $s->{limits}{left}, '<=', 100, 'T058 the absolute end comes first';
    is $s->{limits}{ends}, 'absolute', 'T058 and is named';
    $r = json_post($j, '/session/prolongation', {}, page => '/session');
    cmp_ok $r->json->{limits}{left}, '<=', 100, 'T058 no use moves it';

    $portal->psql("update portal.session set ended_at = now()
        where hash = decode('$mac', 'hex')");
    $r = session_of($c);
    is $r->status, 200, 'ended elsewhere: 200';
    ok !$r->json->{signed_in}, 'ended elsewhere: nobody';
    like $r->json->{csrf}, qr/^[\w-]{86}$/, 'ended elsewhere: the token of nobody';
}

done_testing;
