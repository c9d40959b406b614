#!/usr/bin/perl

# Sessions as their owner sees them: how long they last, how they are
# prolonged, what happens to a form when one ends, and the list of them.

use strict;
use warnings;
use utf8;

use Portal::Test;
use Portal::Fault qw(twin as_json gate_only tracked);

my $portal = portal(server => gate_only());
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


### 7.1.2: so many at a time

{
    my $who = new_account();
    my $n = 0;
    my $in_as = sub { in($who, source => '127.0.5.' . ++$n) };
    my @open = map { $in_as->() } 1 .. 10;
    $_->get('/prive') for @open[0, 1];
    is_deeply [map { $_->get('/mon-espace')->status } @open], [(200) x 10],
        '7.1.2 ten are open';

    my $key = 'sess:' . mac_of($open[0]);
    push @open, $in_as->();
    is $open[10]->get('/mon-espace')->status, 200, '7.1.2 the eleventh too';
    is $open[0]->get('/mon-espace')->status, 303, '7.1.2 the oldest no more';
    like $portal->redis_cli('EXISTS', $key), qr/0/, '7.1.2 nor its record';
    isnt $open[0]->get('/prive')->status, 200, '7.1.2 nor in front of anything else';
    is_deeply [map { $_->get('/mon-espace')->status } @open[1 .. 9]], [(200) x 9],
        '7.1.2 the others are';

    # of the town, and with two at once
    $portal->psql('update portal.town set session_limit = 2 where id = 1');
    my @page = map { my $c = client(source => '127.0.5.' . ++$n); [$c, $c->get('/connexion')] }
        1 .. 4;
    my @answer = Portal::Pending->pages(map { $_->[0]->submit($_->[1],
        { map { $_ => $who->{$_} } qw(email password) }, pending => 1) } @page);
    is_deeply [map { $_->status } @answer], [(303) x 4], '7.1.2 four at once';
    is $portal->psql("select count(*) from portal.session where account_id = $who->{id}
        and ended_at is null"), 2, '7.1.2 two are left';
    is scalar(grep { $_->[0]->get('/mon-espace')->status == 200 } @page), 2,
        '7.1.2 indeed';
    $portal->psql('update portal.town set session_limit = 10 where id = 1');
}


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
    is $back->location, '/mes-abonnements?x=1&avis=prolonged', 'HTML: back where it came from';
    for my $evil ('//evil.example', 'https://evil.example/', '/\\evil.example') {
        my $b = twin($c, json => 0)->submit($page, { path => $evil },
            form => 'prolongation');
        is $b->location, '/mon-espace?avis=prolonged', "HTML: never to $evil";
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


### a form whose session has ended

my $typed = 'K7QF 2MXD 9HTA';

# ends the session in one of the ways in which one ends
my %ending = (
    'idle for too long' => sub {
        my $twin = twin($_[0]);
        $portal->redis_cli('DEL', 'seen:' . mac_of($twin));
        wait_for(15, sub { $twin->get('/mon-espace')->status == 303 });
    },
    'ended elsewhere' => sub {
        $portal->psql("update portal.session set ended_at = now()
            where hash = decode('" . mac_of($_[0]) . "', 'hex')");
    },
    'a record that is gone' => sub {
        $portal->redis_cli('DEL', 'sess:' . mac_of($_[0]));
    },
    'a flushed Redis' => sub { $portal->redis_cli('FLUSHALL') },
);

sub late {
    my ($c, $how, %o) = @_;

    my $page = $c->get('/mes-abonnements/nouveau');
    $ending{$how}->($c);
    my $r;
    wait_for(15, sub {
        $r = $c->submit($page, { code => $typed, step => 'search' }, forget => 1);
        $r->status == 401;
    });

    return $r;
}

for my $how (sort keys %ending) {
    my $c = in($camille, source => '127.0.3.2');
    my $tried = sub { $portal->psql("select coalesce(sum(count), 0) from portal.attempt
        where kind = 'code'") };
    my $before = $tried->();
    my $r = late($c, $how);

    is $r->status, 401, "$how: 401";
    like $r->title, qr/Me connecter/, "$how: the log-in page";
    like $r->text, qr/votre formulaire n’a pas été envoyé/, "$how: says so";
    is $tried->(), $before, "$how: nothing was done";
    unlike $r->content, qr/\Q$typed/, "$how: what was typed is not readable";
    my %f = @{ $r->form('/connexion')->{fields} };
    like $f{restore}, qr/^[\w-]{100,}$/, "$how: but sealed";
    is $f{next}, '/mes-abonnements/nouveau', "$how: for the page";

    # a wrong password first
    my $d = $c;
    my $again = $d->submit($r, { email => $camille->{email}, password => 'not mine 1 2' },
        form => '/connexion');
    is $again->status, 422, "$how: a wrong password";
    my $in = $d->submit($again, { email => $camille->{email},
        password => $camille->{password} }, form => '/connexion');
    is $in->status, 303, "$how: logged in";
    is $in->location, '/mes-abonnements/nouveau?reprise=1', "$how: back to the page";
    my $form = $d->get($in->location);
    is $form->status, 200, "$how: shown";
    like $form->content, qr/value="\Q$typed\E"/, "$how: filled";
    like $form->text, qr/Il n’a pas encore été envoyé/, "$how: and not sent";
    is $tried->(), $before, "$how: indeed";
    unlike $d->get('/mes-abonnements/nouveau?reprise=1')->content, qr/\Q$typed/,
        "$how: once";
    my $sent = $d->submit($form, { step => 'search' });
    is $sent->status, 422, "$how: the person sends it";
    like $sent->content, qr/value="\Q$typed\E"/, "$how: as it was";
    $portal->psql('delete from portal.attempt');
}

{
    # another account gets nothing, nor does another page or town
    my $r = late(in($camille, source => '127.0.3.3'), 'a record that is gone');
    my %f = @{ $r->form('/connexion')->{fields} };

    my $other = client(source => '127.0.3.3');
    my $in = $other->submit($other->get('/connexion'), { email => $julien->{email},
        password => $julien->{password}, restore => $f{restore} });
    is $in->status, 303, 'another account: logged in';
    is $in->location, '/mon-espace', 'another account: not to that page';
    unlike $other->get('/mes-abonnements/nouveau?reprise=1')->content, qr/\Q$typed/,
        'another account: gets nothing';

    my $same = client(source => '127.0.3.3');
    $in = $same->submit($same->get('/connexion'), { email => $camille->{email},
        password => $camille->{password}, restore => $f{restore} });
    is $in->location, '/mes-abonnements/nouveau?reprise=1', 'the same account: it waits';
    unlike $same->get('/mon-espace?reprise=1')->content, qr/\Q$typed/, 'not in another page';
    like $same->get($in->location)->content, qr/\Q$typed/, 'but in its own';

    for my $bad ($f{restore} =~ s/.$/_/r, substr($f{restore}, 0, -8), 'x', 'A' x 200) {
        my $c = client(source => '127.0.3.4');
        my $r = $c->submit($c->get('/connexion'), { email => $camille->{email},
            password => $camille->{password}, restore => $bad });
        is $r->status, 303, 'a form that does not open: logged in all the same';
        is $r->location, '/mon-espace', 'and nothing more';
    }
}

{
    # who never had a session here, or whose form is of no page of it
    my $c = client(source => '127.0.3.5');
    my $r = $c->post('/mes-abonnements/nouveau', { code => $typed, step => 'search' });
    is $r->status, 303, 'without a cookie: to the log-in';
    $c->cookie('__Host-portal', 'A' x 42 . 'E');
    $r = $c->post('/mes-abonnements/nouveau', { code => $typed, step => 'search' });
    is $r->status, 401, 'with one that is nobody\'s: the log-in page';
    like $r->text, qr/n’a pas pu être gardé/, 'which says that it holds nothing';
    unlike $r->content, qr/name="restore"/, 'and holds nothing';

    my $d = in($camille, source => '127.0.3.5');
    my $page = $d->get('/mes-abonnements/nouveau');
    $ending{'ended elsewhere'}->($d);
    $r = $d->submit($page, { code => $typed, step => 'search', csrf => 'x' }, forget => 1);
    is $r->status, 403, 'a forged token: refused as ever';

    $d = in($camille, source => '127.0.3.5');
    my $big = $d->get('/mes-abonnements/nouveau');
    $ending{'a record that is gone'}->($d);
    $r = $d->submit($big, { code => 'x' x 50_000, step => 'search' });
    wait_for(15, sub { ($r = $d->submit($big, { code => 'x' x 50_000, step => 'search' },
        forget => 1))->status == 401 });
    like $r->text, qr/n’a pas pu être gardé/, 'too much to keep: said';

    $d = in($camille, source => '127.0.3.5');
    my $j = as_json($d);
    my $token = $j->get('/session')->json->{csrf};
    $ending{'a record that is gone'}->($d);
    wait_for(12, sub {
        ($r = $j->post('/mes-abonnements/nouveau', { csrf => $token, code => $typed,
            step => 'search' }))->status == 401;
    });
    is $r->status, 401, 'JSON: 401';
    like $r->header('content-type'), qr/problem\+json/, 'JSON: a problem';

    # another site cannot make one
    $d = in($camille, source => '127.0.3.5');
    $ending{'a record that is gone'}->($d);
    $r = $d->post('/mes-abonnements/nouveau', { code => $typed, step => 'search' },
        headers => { 'Sec-Fetch-Site' => 'cross-site', Origin => 'https://evil.example' });
    unlike $r->content, qr/name="restore"/, 'another site\'s form is not kept';
}


### « Connexions récentes »

{
    my $person = new_account();
    my @agents = ('Firefox/128.0', 'Chrome/130.0 Safari/537.36', 'curl/8');
    my ($here, @others) = map {
        my $c = client(source => '127.0.3.6');
        $c->submit($c->get('/connexion'), { email => $person->{email},
            password => $person->{password} }, headers => { 'User-Agent' => "Mozilla/5.0 $_" });
        $c;
    } @agents;

    my $page = $here->get('/mon-compte/connexions');
    is $page->status, 200, '« Connexions récentes »';
    is scalar(my @rows = $page->content =~ /<th scope="row" /g), 3, 'one line a log-in';
    like $page->text, qr/Firefox Cet appareil, en ce moment/, 'this one is marked';
    like $page->text, qr/Chrome Toujours ouverte/, 'another is named by its family';
    like $page->text, qr/Autre navigateur ou application/, 'or not';
    like $page->text, qr/\d{4} à \d+ h \d\d/, 'with its time';

    my $j = as_json($here)->get('/mon-compte/connexions')->json;
    is $j->{others}, 2, 'JSON: two others';
    is_deeply [map { $_->{here} ? 1 : 0 } @{ $j->{connections} }], [1, 0, 0],
        'JSON: this one first';
    ok !grep({ /hash|mac/ } map { keys %$_ } @{ $j->{connections} }), 'JSON: no identifier';

    # a renewed session is one log-in
    tracked();
    is $_->get('/prive')->status, 200, 'a location that is only gated' for $here, @others;
    is $_->get('/mon-espace')->status, 200, 'before' for @others;
    my $gone = $here->submit($page, {}, form => '/mon-compte/connexions');
    is $gone->status, 303, '« Déconnecter les autres appareils »';
    is $gone->location, '/mon-compte/connexions?avis=others_ended', 'says so';
    ok wait_for(1, sub { !grep { $_->get('/prive')->status != 303 } @others }),
        'within a second: what is only gated';
    is $_->get('/mon-espace')->status, 303, 'pages' for @others;
    is $here->get('/mon-espace')->status, 200, 'not here';
    is $here->get('/prive')->status, 200, 'nor what is only gated';
    is $portal->redis_cli('EXISTS', 'sess:' . mac_of($_)) + 0, 0, 'no record left' for @others;
    unlike $gone->content, qr/[0-9a-f]{64}/, 'and no identifier told';
    is as_json($here)->get('/mon-compte/connexions')->json->{others}, 0, 'none is open';
    like $here->get('/mon-compte/connexions')->text, qr/Terminée/, 'they are ended';

    my $stranger = in($julien, source => '127.0.3.6');
    unlike $stranger->get('/mon-compte/connexions')->text, qr/Cet appareil.*Cet appareil/,
        'another account sees its own';
    my $alone = json_post(as_json($here), '/mon-compte/connexions', {});
    is $alone->status, 200, 'JSON: nothing left to end';
    ok !exists $alone->json->{session}, 'JSON: nothing for nginx in it';
    is $stranger->get('/mon-espace')->status, 200, 'others\' sessions are untouched';

    # a new password elsewhere: the same
    my $second = in($person, source => '127.0.3.6');
    is $second->get('/prive')->status, 200, 'a second device again';
    my $form = $here->get('/mon-compte/mot-de-passe');
    my $new = $here->submit($form, { current_password => $person->{password},
        new_password => 'girouette bleue 9 sabots' });
    is $new->status, 303, 'another password' or diag $new->text;
    ok wait_for(1, sub { $second->get('/prive')->status == 303 }),
        'within a second: the others are out';
    is $here->get('/prive')->status, 200, 'not here';
}


### a log-in from another device is told

{
    my $person = new_account();
    my $mails = sub { $portal->psql("select count(*) from portal.outbox
        where template = 'new_device' and recipient = '$person->{email}'") };

    my $first = client(source => '127.0.3.7');
    my $r = sign_in($first, $person);
    my ($cookie) = grep { /^__Host-device=/ } $r->headers('set-cookie');
    like $cookie, qr/^__Host-device=[\w-]{43}; Path=\/; Secure; HttpOnly; SameSite=Strict; Max-Age=7776000$/,
        'the device\'s cookie';
    is $mails->(), 0, 'the very first log-in is no news';
    my $device = $first->cookie('__Host-device');
    is $portal->psql("select encode(mac, 'hex') from portal.device
        where account_id = $person->{id}"), tool("mac\tsaint-aubin\tdevice\t$device"),
        'kept as a MAC';

    $first->submit($first->get('/mon-espace'), {}, form => '/deconnexion');
    sign_in($first, $person);
    is $first->cookie('__Host-device'), $device, 'the same cookie at the next one';
    is $mails->(), 0, 'which is no news either';

    my $wrong = client(source => '127.0.3.7');
    $wrong->submit($wrong->get('/connexion'), { email => $person->{email}, password => 'x y z' });
    is $wrong->cookie('__Host-device'), undef, 'a wrong password gives none';
    is $mails->(), 0, 'nor a mail';

    sign_in(client(source => '127.0.3.7'), $person);
    is $mails->(), 1, 'from another device: a mail';
    my ($mail) = grep { ($_->{subject} // '') =~ /Nouvelle connexion/ }
        mails(to => $person->{email});
    ok $mail, 'which arrives' or diag explain [mails(to => $person->{email})];
    my $text = ($mail // {})->{text} // '';
    like $text, qr/Navigateur\s:\sAutre navigateur/, 'names the browser';
    like $text, qr{/mot-de-passe/oubli}, 'says what to do';
    like $text, qr{/mon-compte/connexions}, 'and where to look';

    # a family's computer: one cookie, several accounts
    my $other = new_account();
    $first->submit($first->get('/mon-espace'), {}, form => '/deconnexion');
    sign_in($first, $other);
    is $first->cookie('__Host-device'), $device, 'one cookie for two accounts';
    is $portal->psql("select count(*) from portal.device where mac = decode('"
        . tool("mac\tsaint-aubin\tdevice\t$device") . "', 'hex')"), 2, 'one row each';

    sign_in(client(source => '127.0.3.7'), $person) for 1 .. 6;
    cmp_ok $mails->(), '<=', 5, 'five mails a day at most';
}


### 7.4.5: an operator ends an account's sessions, an agent's, everybody's

{
    my ($here, $there, $other) = (in($camille), in($camille, source => '127.0.3.8'), in($julien));
    my $agent = agent_client();
    $_->get('/mon-espace') for $here, $there, $other;
    is $agent->get('/')->status, 200, '7.4.5 an agent is logged in';

    $portal->psql("select portal.log_out_everywhere('saint-aubin', '$camille->{email}')");
    for my $c ($here, $there) {
        like $c->get('/mon-espace')->location // '', qr{^/connexion}, '7.4.5 the next page is the log-in';
        is as_json($c)->get('/famille')->status, 401, '7.4.5 and for a program';
    }
    is $other->get('/mon-espace')->status, 200, '7.4.5 others stay';
    is $agent->get('/')->status, 200, '7.4.5 so do agents';
    is sign_in(client(), $camille)->status, 303, '7.4.5 one may log in again';

    $portal->psql("select portal.log_out_everywhere('saint-aubin')");
    like $other->get('/mon-espace')->location // '', qr{^/connexion}, '7.4.5 of everybody';
    like $agent->get('/')->location // '', qr{^/connexion}, '7.4.5 and of agents';
}

done_testing;
