#!/usr/bin/perl

# « Me connecter »: what an attacker must not learn, what slows guessing down,
# and what a person with the right password gets.

use strict;
use warnings;
use utf8;

use Encode ();
use Unicode::Normalize ();

use Portal::Test;

my $portal = portal();
my $camille = account(qr/couple/);
my $sophie = account(qr/separated/);
my $START = client();


sub forget_attempts { $portal->psql('delete from portal.attempt') }

sub try_in {
    my ($c, $email, $password, %o) = @_;

    my $page = $c->get($o{path} // '/connexion');

    return $c->submit($page, { email => $email, password => $password });
}

# what may differ between two answers, taken out
sub masked {
    my ($r) = @_;

    my $text = $r->content;

    $text =~ s/name="csrf" value="[^"]*"/CSRF/g;
    $text =~ s/name="key" value="[^"]*"/KEY/g;
    $text =~ s/"instance":"[^"]*"/REQUEST/g;
    $text =~ s/(value=")[^"@]*@[^"]*"/${1}EMAIL"/g;

    return $text;
}

sub header_names {
    my ($r) = @_;

    return join ' ', map { $_->[0] } @{ $r->{list} };
}


sub counts_less {
    my ($now, $before) = @_;
    my %had = split ' ', $before;
    my %has = split ' ', $now;

    return join ' ', map { "$_ " . ($has{$_} - $had{$_}) } sort keys %has;
}


### T001: wrong and unknown look alike

for my $json (0, 1) {
    my $as = $json ? 'JSON' : 'HTML';
    my (%got, %sql);

    for my $who ($camille->{email}, 'nobody.here@exemple.fr') {
        my $c = client(json => $json, source => '127.0.1.1');
        my $before = counted(qw(audit attempt session));
        my $r = $json
            ? json_post($c, '/connexion', { email => $who, password => 'a wrong one 1' })
            : try_in($c, $who, 'a wrong one 1');
        $got{$who} = $r;
        $sql{$who} = counts_less(counted(qw(audit attempt session)), $before);
        forget_attempts();
    }

    my ($known, $unknown) = @got{$camille->{email}, 'nobody.here@exemple.fr'};
    is $known->status, 422, "T001 $as: refused";
    is $unknown->status, $known->status, "T001 $as: same status";
    is header_names($unknown), header_names($known), "T001 $as: same headers";
    is masked($unknown), masked($known), "T001 $as: same bytes"
        or diag $unknown->content;
    is $sql{'nobody.here@exemple.fr'}, $sql{ $camille->{email} },
        "T002 $as: same rows written";
    like $known->content, $json ? qr/"code":"sign_in_failed"/
        : qr/href="\/inscription"/, "T001 $as: and a way on";
}

my $r = try_in(client(), 'nobody@exemple.fr', 'a wrong one 1');
like $r->content, qr/value="nobody\@exemple\.fr"/, 'the address comes back';
unlike $r->content, qr/a wrong one 1/, 'the password does not';
forget_attempts();


### T013: throttled by address, with Retry-After, known or not

for my $who ($sophie->{email}, 'ghost@exemple.fr') {
    my $c = client(source => '127.0.1.2');
    my $page = $c->get('/connexion');
    my @status = map {
        $c->submit($page, { email => $who, password => "wrong one $_ $_" })->status
    } 1 .. 5;
    is_deeply \@status, [(422) x 5], "T013 $who: five tries";

    my $late = $c->submit($page, { email => $who, password => 'wrong again 1' });
    is $late->status, 429, 'T013 the sixth waits';
    cmp_ok $late->header('retry-after') // 0, '>', 30, 'T013 Retry-After';
    like $late->text, qr/Trop d’essais/, 'T013 said in words';
    is $c->submit($page, { email => uc $who, password => 'x y z t u v w' })->status,
        429, 'T019 the case of the address makes no other counter';
    is $c->submit($page, { email => " $who ", password => 'x y z t u v w' })->status,
        429, 'T019 nor do spaces around it';
    is client(source => '127.0.1.3')->submit($page, { email => $who,
        password => 'x' }, headers => { Cookie => '__Host-visit='
        . $c->cookie('__Host-visit') })->status, 429,
        'T014 nor another client address';
    my $j = client(json => 1, source => '127.0.1.3');
    my $problem = json_post($j, '/connexion', { email => $who, password => 'x' });
    is $problem->status, 429, 'T013 JSON: 429';
    ok $problem->json->{wait} > 0, 'T013 JSON: wait';
}

$r = try_in(client(source => '127.0.1.9'), $sophie->{email}, $sophie->{password});
is $r->status, 429, 'T013 while it lasts the right password waits as well';
$portal->psql("update portal.attempt set next_at = now() - interval '1 s'");
$r = try_in(client(), $sophie->{email}, $sophie->{password});
is $r->status, 303, 'T017 no lock for ever: after the wait it goes in';
forget_attempts();

{
    # T020: sent at once, no more than the limit reach the hash
    my $page = $START->get('/connexion');
    my %form = @{ $page->form->{fields} };
    my $body = "csrf=$form{csrf}&email=race%40exemple.fr&password=wrong";
    my @open = map {
        my $s = $START->socket;
        print $s "POST /connexion HTTP/1.1\r\nHost: $START->{host}\r\n"
            . "Sec-Fetch-Site: same-origin\r\nConnection: close\r\n"
            . 'Cookie: __Host-visit=' . $START->cookie('__Host-visit')
            . "\r\nContent-Type: application/x-www-form-urlencoded\r\n"
            . 'Content-Length: ' . length($body) . "\r\n\r\n$body";
        $s;
    } 1 .. 20;
    my %status;
    for my $s (@open) {
        my $line = <$s> // '';
        $status{ (split / /, $line)[1] // 'none' }++;
    }
    is $status{422}, 5, 'T020 of twenty at once five are tried';
    is $status{429}, 15, 'T020 the others wait' or diag explain \%status;
    forget_attempts();
}

{
    # by client address: 100 in 15 minutes
    my $c = client(source => '127.0.1.44');
    try_in($c, 'one@exemple.fr', 'wrong wrong 1');
    $portal->psql("update portal.attempt set count = 99 where kind = 'sign_in_ip'");
    is try_in($c, 'two@exemple.fr', 'wrong wrong 1')->status, 422,
        'T014 the hundredth by one client address';
    is try_in($c, 'three@exemple.fr', 'wrong wrong 1')->status, 429,
        'T014 the next one waits, whatever the address typed';
    is try_in(client(source => '127.0.1.45'), 'three@exemple.fr', 'wrong wrong 1')
        ->status, 422, 'T014 another client address does not';
    forget_attempts();
}


### the way on: « suite » is a local path or nothing

my %next = (
    '/mes-abonnements' => '/mes-abonnements',
    '/mes-abonnements?x=1' => '/mes-abonnements?x=1',
    '//evil.example/' => '/mon-espace',
    'https://evil.example/' => '/mon-espace',
    '/\\evil.example' => '/mon-espace',
    '/%09/evil.example' => '/mon-espace',
    'javascript:alert(1)' => '/mon-espace',
    '/a b' => '/mon-espace',
    "/x\r\nSet-Cookie: a=b" => '/mon-espace',
    '' => '/mon-espace',
    '/' . 'x' x 600 => '/mon-espace',
    '/\\/evil.example' => '/mon-espace',
    'evil' => '/mon-espace',
    '/deconnexion' => '/mon-espace',
    '/deconnexion?a=b' => '/mon-espace',
    '/session/prolongation#x' => '/mon-espace',
    '/famille/choix' => '/mon-espace',
    '/connexion?suite=/famille' => '/mon-espace',
    '/langue' => '/langue',
);
for my $wanted (sort keys %next) {
    my $c = client();
    my $page = $c->get('/connexion');
    my $r = $c->submit($page, { email => $camille->{email},
        password => $camille->{password}, next => $wanted });
    my $shown = substr $wanted =~ s/\s/ /gr, 0, 30;
    if ($wanted eq '/%09/evil.example') {
        like $r->location // '', qr{^/(?!/)}, "next $shown: stays here";
        next;
    }
    is $r->location, $next{$wanted}, "next $shown";
    is scalar(my @cookies = $r->headers('set-cookie')), 2, 'two cookies'
        if $wanted =~ /Set-Cookie/;
}
{
    my $c = client();
    my $page = $c->get('/connexion?suite=%2Ffamille%3Fa%3D1');
    my $r = $c->submit($page, { email => $camille->{email},
        password => $camille->{password} });
    is $r->location, '/famille?a=1', 'the page that asked for it';
    $page = client()->get('/connexion?suite=%22%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E');
    unlike $page->content, qr/<script>alert/, 'T151 never shown unescaped';
    $page = (my $d = client())->get('/connexion?suite=%2F%2Fevil.example');
    $r = $d->submit($page, { email => $camille->{email},
        password => $camille->{password} });
    is $r->location, '/mon-espace', 'a path that leads elsewhere leads home';
}


### who is logged in already has no use for the page

{
    my $c = client();
    sign_in($c, $camille);

    for (['', '/mon-espace'], ['?suite=%2Ffamille%3Fa%3D1', '/famille?a=1'],
        ['?suite=%2F%2Fevil.example', '/mon-espace'],
        ['?suite=%2Fdeconnexion', '/mon-espace'], ['?suite=%2Fx%00', '/mon-espace'],
        ['?suite=%2Fconnexion', '/mon-espace'], ['?suite=', '/mon-espace'])
    {
        my ($query, $where) = @$_;
        my $r = $c->get("/connexion$query");
        is $r->status, 303, "logged in already: $query";
        is $r->location, $where . ($where eq '/mon-espace' ? '?avis=already' : ''),
            'leads where the log-in leads';
        is scalar(my @none = $r->headers('set-cookie')), 0, 'with the session it has';
    }
    is $c->get('/mon-espace')->status, 200, 'which lives';

    # where nothing asked for it, who they are is said
    like $c->follow($c->get('/connexion'))->text,
        qr/Vous êtes déjà connecté \(Camille Martin\)\. Pour changer de compte, déconnectez-vous/,
        'who is signed in';
    my $doc = $c->get('/connexion', headers => { Accept => 'application/json' })->json;
    is join(' ', @$doc{qw(location notice)}), '/mon-espace already', 'JSON says it';
    ok $doc->{csrf}, 'with a token';

    # another may be signed up in this browser, which says whose it is
    $r = $c->get('/inscription');
    is $r->status, 200, 'the sign-up';
    like $r->text, qr/Vous êtes connecté \(Camille Martin\)\s: ce formulaire crée un autre compte/, 'says it, too';
    unlike client()->get('/inscription')->text, qr/Vous êtes connecté/, 'to nobody it does not';
    unlike client()->get('/connexion?avis=already')->text, qr/déjà connecté/, 'nobody is not';

    # a program reads it, and may still log in as another
    $r = $c->get('/connexion?suite=%2Ffamille', headers => { Accept => 'application/json' });
    is $r->status, 200, 'JSON: an answer';
    is $r->json->{location}, '/famille', 'JSON: that says where';
    my $old = $c->cookie('__Host-portal');
    $r = $c->post('/connexion', { csrf => $r->json->{csrf}, email => $sophie->{email},
        password => $sophie->{password} });
    is $r->status, 303, 'JSON: and a token that logs in';
    isnt $c->cookie('__Host-portal'), $old, 'another session';

    # whoever is not, or no more
    $portal->psql('update portal.session set ended_at = now() where ended_at is null');
    $r = $c->follow($c->get('/connexion'));
    is $r->status, 200, 'a session that has ended elsewhere leads to the page in the end';
    like $r->content, qr/name="password"/, 'with the form';
    is_deeply [sort keys %{ client(json => 1)->get('/connexion')->json }],
        [qw(csrf status)], 'nobody: nowhere to go';
}


### hashes: weak ones are renewed, bombs refused

{
    my $weak = '$argon2id$v=19$m=8192,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$';
    my ($c, $person) = (client(), account(qr/unlinked/));
    my $id = $portal->psql("select id from portal.account where email = '$person->{email}'");
    my $strong = $portal->psql("select password_hash from portal.account where id = $id");

    like $strong, qr/m=19456,t=2,p=1/, 'hashes are of 19 MiB';
    my $made = weak_hash($person->{password});
  SKIP: {
        skip 'no argon2 program', 3 if !$made;
        $portal->psql("update portal.account set password_hash = '$made' where id = $id");
        is try_in($c, $person->{email}, $person->{password})->status, 303,
            'T004 a hash of weaker parameters is good';
        like $portal->psql("select password_hash from portal.account where id = $id"),
            qr/m=19456,t=2,p=1/, 'T004 and is renewed at once';
        is try_in(client(), $person->{email}, $person->{password})->status, 303,
            'T004 by the same password';
    }

    for my $bomb ('m=8388608,t=2,p=1', 'm=19456,t=100000,p=1',
        'm=19456,t=2,p=4096', 'm=4294967295,t=4294967295,p=1')
    {
        $portal->psql("update portal.account set password_hash =
            '\$argon2id\$v=19\$$bomb\$c29tZXNhbHRzb21lc2FsdA\$"
            . 'A' x 43 . "' where id = $id");
        my $r = try_in(client(), $person->{email}, $person->{password});
        is $r->status, 422, "T025 $bomb: refused";
        cmp_ok $r->took, '<', patient(2), 'T025 at once';
        forget_attempts();
    }
    $portal->psql("update portal.account set password_hash = '$strong' where id = $id");
}

sub weak_hash {
    my ($password) = @_;

    # libsodium through Python, where it is there; else the argon2 program
    open my $in, '-|', 'python3', '-c', <<'END', $password or return;
import ctypes, sys
try:
    s = ctypes.CDLL("libsodium.so.23")
except OSError:
    sys.exit(0)
s.sodium_init()
out = ctypes.create_string_buffer(128)
p = sys.argv[1].encode()
if s.crypto_pwhash_str_alg(out, p, ctypes.c_ulonglong(len(p)),
        ctypes.c_ulonglong(1), ctypes.c_size_t(8192 * 1024), 2) == 0:
    print(out.value.decode())
END
    my $hash = <$in>;
    close $in;
    chomp $hash if defined $hash;

    return $hash;
}


### an account that waits for its confirmation

{
    my $mac = tool("mac\tsaint-aubin\temail\twaiting\@exemple.fr");
    my $hash = tool("hash\t-\tboussole marine 12 hiver");
    $portal->psql("insert into portal.account (tenant, first_name, last_name, email,
        email_mac, password_hash) values (1, 'Lou', 'Attend', 'waiting\@exemple.fr',
        decode('$mac', 'hex'), '$hash')");

    my $c = client();
    my $r = try_in($c, 'waiting@exemple.fr', 'boussole marine 12 hiver');
    is $r->status, 200, 'unconfirmed, with the right password';
    like $r->text, qr/Consultez votre messagerie/, '« Consultez votre messagerie »';
    ok((grep { $_ eq 'Renvoyer le message' } buttons($r)), '« Renvoyer le message »');
    like $r->text, qr/w•••\@exemple\.fr/, 'the address as its owner knows it';
    ok !defined $c->cookie('__Host-portal'), 'no session';
    my $before = counted('outbox');
    my $sent = $c->submit($r, {});
    is $sent->location, '/inscription/envoyee', 'and sends it';
    isnt counted('outbox'), $before, 'a mail in the outbox';
    $r = try_in(client(), 'waiting@exemple.fr', 'not the right one 1');
    is $r->status, 422, 'unconfirmed, with a wrong one: as any other';
    unlike $r->text, qr/messagerie/, 'and no word of it';
    my $j = client(json => 1);
    $r = json_post($j, '/connexion', { email => 'waiting@exemple.fr',
        password => 'boussole marine 12 hiver' });
    is $r->json->{state}, 'unconfirmed', 'JSON: state' or diag $r->content;
}

# closed accounts, other towns
{
    is try_in(client(town => 'beaulieu'), $camille->{email}, $camille->{password})
        ->status, 422, 'T064 an account of another town is none here';
    $portal->psql("update portal.account set state = 'closed'
        where email = 'ines.faure\@exemple.fr'");
    is try_in(client(), 'ines.faure@exemple.fr', 'coquelicot-telescope-29')->status,
        422, 'a closed account is as unknown';
    forget_attempts();
}

### a password that the operator's tool has hashed, however its accents came

{
    my $who = new_account();
    my $typed = 'été à la forêt 2026';
    my $hash = tool(Encode::encode('UTF-8', "hash\t-\t" . Unicode::Normalize::NFD($typed)));
    $portal->psql("update portal.account set password_hash = '$hash' where id = $who->{id}");
    is sign_in(client(source => '127.0.8.1'), { email => $who->{email}, password => $_ })->status,
        303, '6.2.8 NFC is the one equivalence' for $typed, Unicode::Normalize::NFD($typed);
}

done_testing;
