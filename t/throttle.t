#!/usr/bin/perl

# Slowing guesses down without punishing the one they are aimed at, nor those
# who share an address with whoever makes them.

use strict;
use warnings;
use utf8;

use feature qw(state);

use Portal::Declared qw(forms locations);
use Portal::Test;
use Portal::Fault qw(twin);

# clients of any address, by a header that only this test's server believes
my $portal = portal(http => 'set_real_ip_from 127.0.0.0/8;'
    . ' real_ip_header X-Forwarded-For;');

sub forget_attempts { $portal->psql('delete from portal.attempt') }

sub try_in {
    my ($c, $email, $password, %o) = @_;

    # whoever is logged in is not asked
    $c->cookie('__Host-portal', undef);

    return $c->submit($c->get('/connexion'),
        { email => $email, password => $password }, %o);
}

sub wrong {
    my ($c, $email, $times, %o) = @_;

    my $page = $c->get('/connexion');

    return map {
        $c->submit($page, { email => $email, password => "not this one $_" }, %o)->status
    } 1 .. $times;
}

sub from { return { headers => { 'X-Forwarded-For' => $_[0] } } }


### T017: who locks an account does not lock its owner out

{
    my $person = new_account();
    my $owner = client(source => '127.0.5.1');
    is try_in($owner, @$person{qw(email password)})->status, 303, 'the owner logs in';
    $owner->submit($owner->get('/mon-espace'), {}, form => '/deconnexion');

    my $attacker = client(source => '127.0.5.2');
    is_deeply [wrong($attacker, $person->{email}, 8)], [(422) x 5, (429) x 3],
        'T017 somebody else guesses';

    my $strange = client(source => '127.0.5.3');
    my $r = try_in($strange, @$person{qw(email password)});
    is $r->status, 429, 'T017 another device waits';
    like $r->text, qr/Réessayez dans 2 minutes\./, 'and is told how long, in words';
    cmp_ok $r->header('retry-after') // 0, '>', 30, 'and a program in seconds';
    is $strange->cookie('__Host-device'), undef, 'without becoming a known one';

    is try_in($owner, @$person{qw(email password)})->status, 303,
        'T017 the owner\'s own device does not';
    is_deeply [wrong($attacker, $person->{email}, 1)], [429],
        'T017 which does not help who guesses';

    # somebody else's device is none of this account
    my $other = new_account();
    my $known = client(source => '127.0.5.4');
    try_in($known, @$other{qw(email password)});
    is try_in($known, @$person{qw(email password)})->status, 429,
        'T017 a device that another account knows waits';
    my $made = client(source => '127.0.5.5');
    $made->cookie('__Host-device', 'A' x 42 . 'E');
    is try_in($made, @$person{qw(email password)})->status, 429,
        'T017 and one that nobody knows';

    # a known device may not guess for ever either
    $owner->submit($owner->get('/mon-espace'), {}, form => '/deconnexion');
    is_deeply [wrong($owner, $person->{email}, 7)], [(422) x 5, (429) x 2],
        'T013 five guesses from a known device';
    is $portal->psql("select count(*) from portal.attempt where kind = 'sign_in_device'"),
        1, 'counted apart';

    # the mailbox is a way in meanwhile
    $strange = client(source => '127.0.5.6');
    is $strange->submit($strange->get('/mot-de-passe/oubli'),
        { email => $person->{email} })->status, 303, 'T017 a forgotten password';
    my $mail = letter($person->{email}, 'reset');
    my $new = { new_password => 'moulin orange 14 toupie' };
    is $strange->submit($strange->get($mail->{link}), $new)->status, 303, 'T017 a new one';
    is try_in($strange, $person->{email}, $new->{new_password})->status, 303,
        'T017 which lets in at once';

    # T040: what was known under the old password is so no more
    wrong($attacker, $person->{email}, 6);
    $portal->psql("delete from portal.attempt where kind = 'sign_in_device'");
    is try_in($owner, $person->{email}, $new->{new_password})->status, 429,
        'T040 the device has to show the new password first';
    forget_attempts();
}


### one counter whether the address exists or not, and how long in words

for my $who (new_account()->{email}, 'personne.ici@parents.example') {
    my $c = client(source => '127.0.5.7');
    wrong($c, $who, 5);
    my $r = try_in($c, $who, 'wrong again 1');
    is $r->status, 429, "T001 T013 $who";
    like $r->text, qr/Trop d’essais\..*Réessayez dans 2 minutes\./, 'in words';
    $portal->psql("update portal.attempt set next_at = now() + interval '20 s'
        where kind = 'sign_in'");
    like try_in($c, $who, 'wrong again 1')->text, qr/Réessayez dans une minute\./,
        'less than a minute';
    $portal->psql("update portal.attempt set next_at = now() + interval '170 minutes'
        where kind = 'sign_in'");
    $r = try_in($c, $who, 'wrong again 1');
    like $r->text, qr/Réessayez dans 3 heures\./, 'hours';
    cmp_ok $r->header('retry-after'), '>', 10_000, 'Retry-After likewise';
    my $j = json_post(client(source => '127.0.5.7', json => 1), '/connexion',
        { email => $who, password => 'x y z' });
    is $j->status, 429, 'JSON: 429';
    cmp_ok $j->json->{wait}, '>', 10_000, 'JSON: wait';
    is $j->header('retry-after'), $j->json->{wait}, 'JSON: Retry-After is the same';
    forget_attempts();
}


### T014, T016: by client, and a whole school is one

{
    my $person = new_account();
    my $home = client(source => '127.0.5.8');
    try_in($home, @$person{qw(email password)});
    $home->submit($home->get('/mon-espace'), {}, form => '/deconnexion');

    my $c = client(source => '127.0.5.9');
    wrong($c, 'un@parents.example', 1);
    $portal->psql("update portal.attempt set count = 100, next_at = now() + interval '9 minutes'
        where kind = 'sign_in_ip'");
    is_deeply [wrong($c, 'deux@parents.example', 1)], [429], 'T014 a client that fails waits';
    is $portal->psql("select count from portal.attempt where kind = 'sign_in'
        order by last_at desc limit 1"), 0, 'T014 which does not count against the person';
    my $there = twin($home, source => '127.0.5.9');
    is try_in($there, @$person{qw(email password)})->status, 303,
        'T017 a known device there does not wait';
    forget_attempts();

    my $page = $c->get('/connexion');
    my $v6 = sub {
        my ($ip) = @_;
        state $n = 0;
        $n++;
        return $c->submit($page, { email => "six.$n\@parents.example", password => 'x y z' },
            %{ from($ip) })->status;
    };
    is $v6->('2001:db8:1:2::1'), 422, 'T016 IPv6: one';
    $portal->psql("update portal.attempt set count = 99 where kind = 'sign_in_ip'");
    is $v6->('2001:db8:1:2:ffff::9'), 422, 'T016 another of the same /64 is the hundredth';
    is $v6->('2001:db8:1:2:abcd::7'), 429, 'T016 and a third waits';
    is $v6->('2001:db8:1:3::1'), 422, 'T016 another /64 does not';
    $portal->psql("update portal.attempt set count = 399 where kind = 'sign_in_net'");
    is $v6->('2001:db8:1:4::1'), 422, 'T016 the 400th of the /48';
    is $v6->('2001:db8:1:5::1'), 429, 'T016 then the /48 waits';
    is $v6->('2001:db8:2:5::1'), 422, 'T016 another does not';
    forget_attempts();
    $v6->('203.0.113.7');
    $v6->('::ffff:203.0.113.7');
    is $portal->psql("select count(*) || ' ' || max(count) from portal.attempt
        where kind = 'sign_in_ip'"), '1 2', 'T016 IPv4 is the same over an IPv6 socket';
    is $portal->psql("select count(*) from portal.attempt where kind = 'sign_in_net'"), 0,
        'T016 and has no /48';
    forget_attempts();
}


### limits that hold when the counters are gone: limit_req

# sends so many of them, one after the other: how many were let through before
# the first 429, and that one
sub flood {
    my ($times, $send) = @_;

    for my $n (0 .. $times - 1) {
        my $r = $send->($n);
        return ($n, $r) if $r->status == 429;
    }

    return ($times, undef);
}

# wherever a password is tried or a link followed there is one
{
    my @tries = map { my $list = $_; map { { %$_, list => $list } }
        grep { $_->{body} =~ /portal_verify\b|\$arg_jeton\b/ } locations($list) } qw(pages agents);
    cmp_ok scalar(@tries), '>', 8, 'passwords and links are tried at several addresses';
    is join(' ', map { "$_->{list}:$_->{path}" } grep { $_->{body} !~ /limit_req\s+zone=portal_(?:password|link)\s/ } @tries),
        '', 'each of them has its limit in shared memory';
}

# a form without a token costs nothing but the limit
sub post_from {
    my ($ip, $path, %o) = @_;

    my $c = client(source => '127.0.5.10', json => $o{json});

    return $c->post($path, $o{json} ? {} : 'email=x', headers => {
        'X-Forwarded-For' => $ip });
}

{
    my ($n, $r) = flood(460, sub {
        if ($_[0] == 200) { forget_attempts(); $portal->redis_cli('FLUSHALL') }
        post_from('198.51.100.1', '/connexion');
    });
    cmp_ok $n, '>=', 400, 'three hundred parents at half past eight log in from one address';
    ok defined $r, 'T013 with the counters emptied there is still a limit'
        or BAIL_OUT('no limit');
    is $r->header('retry-after'), 60, 'T013 Retry-After';
    like $r->header('content-type'), qr{^text/html}, 'T013 a page of ours';
    like $r->text, qr/Trop d’essais.*Réessayez dans une minute\./, 'T013 in words';
    like $r->header('content-security-policy') // '', qr/default-src 'none'/, 'with its headers';

    my $j = post_from('198.51.100.1', '/connexion', json => 1);
    is $j->status, 429, 'T013 JSON: 429';
    like $j->header('content-type'), qr{^application/problem\+json}, 'T013 JSON: a problem';
    is $j->json->{wait}, 60, 'T013 JSON: wait';
    is $j->header('retry-after'), 60, 'T013 JSON: Retry-After';

    my $c = client(source => '127.0.5.10');
    is $c->get('/connexion', headers => { 'X-Forwarded-For' => '198.51.100.1' })->status, 200,
        'pages are no matter of limits';
    is post_from('198.51.100.2', '/connexion')->status, 403, 'another address goes on';
    is post_from('198.51.100.1', '/mes-abonnements/nouveau')->status, 303,
        'and other forms have their own';
}

for (['/inscription', 150], ['/inscription/renvoi', 150], ['/mot-de-passe/oubli', 150],
    ['/mes-abonnements/nouveau', 150])
{
    my ($path, $burst) = @$_;
    # each its own address: the first three share a zone
    state $last = 10;
    my $ip = '198.51.100.' . $last++;
    my ($n, $r) = flood($burst + 40, sub { post_from($ip, $path) });
    cmp_ok $n, '>=', $burst, "$path: many from one address";
    ok defined $r, "$path: and not for ever";
}

{
    my $c = client(source => '127.0.5.10');
    my ($n, $r) = flood(360, sub {
        $c->get('/inscription/confirmation?jeton=' . sprintf('%042dE', $_[0]),
            headers => { 'X-Forwarded-For' => '198.51.100.20' });
    });
    cmp_ok $n, '>=', 300, 'T038 links: many from one address';
    ok defined $r, 'T038 but who tries them at random is stopped';
}

# forms that files come with: wherever there is one, and by what it sends
{
    my $forms = forms();
    my %files = map { my $name = $_;
        (grep { $_->{type} eq 'file' } values %{ $forms->{$name}{fields} }) ? ($name => 1) : () } keys %$forms;
    my @places = map { my $list = $_; map { { %$_, list => $list } }
        grep { $files{ ($_->{body} =~ /portal_post\s+\w+\s+([\w-]+);/)[0] // '' } } locations($list) } qw(pages agents);
    cmp_ok scalar(@places), '>', 20, 'files come at many addresses';
    is join(' ', map { "$_->{list}:$_->{path}" } grep { $_->{body} !~ /limit_req\s+zone=portal_(?:document|file)\s/ } @places),
        '', 'each of them has its limit';

    my $send = sub {
        my ($ip, $type, %o) = @_;

        return client(source => '127.0.5.10', %o)->post($o{path} // '/famille/enfants/1/sante', "--b--\r\n",
            headers => { 'X-Forwarded-For' => $ip, 'Content-Type' => $type });
    };
    my ($n, $r) = flood(360, sub { $send->('198.51.100.30', 'multipart/form-data; boundary=b') });
    cmp_ok $n, '>=', 300, 'many documents from one address';
    ok defined $r, 'and documents do not come for ever' or BAIL_OUT('no limit');
    is $r->header('retry-after'), 60, 'it says when again';
    like $r->text, qr/Réessayez dans une minute\./, 'in words';
    is $send->('198.51.100.30', 'multipart/form-data; boundary=b', json => 1)->status, 429, 'to a program as well';
    is $send->('198.51.100.30', 'Multipart/Form-Data; boundary=b', path => '/famille/responsables/1/adresse')->status, 429,
        'all such forms together, however the type is written';
    is $send->('198.51.100.30', 'multipart/form-data; boundary=b', agents => 1,
        path => '/familles/1/guichet/1/piece/enfants/1/sante')->status, 429, 'at the counter too';
    isnt $send->('198.51.100.31', 'multipart/form-data; boundary=b')->status, 429, 'another address goes on';
    isnt post_from('198.51.100.30', '/famille/enfants/1/sante')->status, 429, 'so does what brings no files';
}

{
    # an IPv6 client is its /64
    my ($n, $r) = flood(200, sub {
        post_from(sprintf('2001:db8:9:9::%x', $_[0]), '/inscription');
    });
    cmp_ok $n, '>=', 150, 'T016 IPv6: as many';
    ok defined $r, 'T016 IPv6: together, for a /64';
    is post_from('2001:db8:9:a::1', '/inscription')->status, 403, 'T016 another /64 goes on';
}

done_testing;
