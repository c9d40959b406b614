#!/usr/bin/perl

# Codes abonné: the search, the addition, what a wrong code may not tell, the
# throttles, and the way out.

use strict;
use warnings;
use utf8;

use Portal::Fault qw(as_json);
use Portal::Test;

my $portal = portal();
my $sources = 10;

# a new account of the town that is logged in, from an address of its own
sub person {
    my (%o) = @_;

    my $person = new_account($o{town} ? (town => $o{town}) : ());
    my $c = client(source => '127.0.4.' . ++$sources, %o, json => 0);
    my $r = sign_in($c, $person);
    die 'no log-in: ', $r->status, "\n" if $r->status != 303;

    return ($c, $person) if !$o{json};

    my $j = client(%o, source => "127.0.4.$sources");
    $j->{cookies} = $c->{cookies};
    return ($j, $person);
}

sub typed {
    my ($c, $code, $step) = @_;

    return $c->{json}
        ? json_post($c, '/mes-abonnements/nouveau', { code => $code, step => $step // 'search' })
        : $c->submit($c->get('/mes-abonnements/nouveau'),
            { code => $code, step => $step // 'search' });
}

sub masked {
    my ($r) = @_;

    return $r->content =~ s/name="(csrf|key)" value="[^"]*"/$1/gr
        =~ s/data-account="\d+"//r
        =~ s/"instance":"\w+"//r =~ s/value="[0-9A-Za-z -]{12,20}"/CODE/gr;
}


### the search

my ($c, $person) = person();
my $code = free_code(town => 'saint-aubin', situation => 'couple');
my $plain = $code->{code} =~ s/-//gr;
my $rows = counted();

for my $way ($code->{code}, lc $code->{code}, $plain, lc $plain,
    join(' ', split //, $plain), " $code->{code} ",
    substr($plain, 0, 6) . '-' . lc substr($plain, 6), $code->{code} =~ s/-/ /gr,
    $code->{code} =~ s/-/ - /gr, (map { $code->{code} =~ s/-/$_/gr } '.', '_', '/', "\t", " \t ",
        map { substr "\x{202f}" . chr, 1 } 0xa0, 0x202f, 0x2010 .. 0x2015, 0x2212, 0x2043, 0xad, 0xfe58, 0xfe63, 0xff0d),
    "\t$code->{code}\t", "$code->{code}.", join "\t", split //, $plain)
{
    my $r = typed($c, $way);
    is $r->status, 200, sprintf 'found: « %s »', $way =~ s/([^ -~])/sprintf '<%x>', ord $1/ger or diag $r->text;
}

my $r = typed($c, $code->{code});
my ($family) = $portal->psql("select f.number, g.first_name, g.last_name,
    (select string_agg(c.first_name, '|' order by m.rank) from portal.child_family m
     join portal.child c on c.id = m.child_id where m.family_id = f.id)
    from portal.code k join portal.guardian g on g.id = k.guardian_id
    join portal.family f on f.id = k.family_id where k.mac = decode('"
    . tool("mac\tsaint-aubin\tcode\t$plain") . "', 'hex')");
my ($number, $first, $last, $children) = map { Encode::decode('UTF-8', $_) } @$family;
like $r->text, qr/\Q$number/, 'the number of the family';
like $r->text, qr/\Q@{[ uc substr $first, 0, 1 ]}. @{[ uc substr $last, 0, 1 ]}./,
    'initials of the guardian';
for my $name ($first, $last, split /\|/, $children) {
    my ($main) = $r->text =~ /Abonnement trouvé(.*)Besoin d’aide/s;
    unlike $main, qr/\b\Q$name\E\b/, "initials only: not $name";
}
is counted(), $rows, 'a search stores nothing';
is $c->get('/famille')->location, '/mes-abonnements?avis=subscribe_first', 'nor gives anything';

my ($j) = person(json => 1);
my $found = typed($j, $code->{code})->json->{found};
is_deeply [sort keys %$found], [qw(children family_number guardian)], 'JSON: found';
is_deeply [grep { !/^.\.$/ } @{ $found->{children} }], [], 'JSON: initials only';
is typed($j, "\t" . ($code->{code} =~ s/-/\t/gr) . '.')->status, 200, 'JSON: as forgiving';
is typed($j, $code->{code} =~ s/-/$_->[0]/r)->json->{errors}[0]{code}, $_->[1], "JSON: $_->[1]"
    for ["\n", 'control'], ["\a", 'control'], [',', 'code_format'];


### T010: unknown, used, expired and revoked look the same

my %bad = (unknown => undef, map { $_ => free_code(state => $_, town => 'saint-aubin')
    ->{code} } qw(used expired revoked));
{
    # well formed, with its check symbol, and nobody's
    my $id = $portal->psql('select gen_random_uuid()');
    ($bad{unknown}) = split /\t/, tool("code\tsaint-aubin\t$id");
}
$bad{'another town\'s'} = free_code(town => 'beaulieu')->{code};
# one that its check symbol gives away, and one of symbols that no code has
$bad{miscopied} = $code->{code} =~ s/.\z/$& eq 'A' ? 'B' : 'A'/er;
$bad{impossible} = '0OIL-0OIL-0OIL';

for my $json (0, 1) {
    my $as = $json ? 'JSON' : 'HTML';
    my %seen;

    for my $step (qw(search add)) {
        for my $state (sort keys %bad) {
            my ($c) = person(json => $json);
            my $before = counted(qw(audit attempt subscription outbox));
            my $r = typed($c, $bad{$state}, $step);
            my %had = split ' ', $before;
            my %has = split ' ', counted(qw(audit attempt subscription outbox));
            is $r->status, 422, "T010 $as $step: $state";
            push @{ $seen{ masked($r) . join ' ', map { $has{$_} - $had{$_} } sort keys %has } },
                $state;
            like $r->content, $json ? qr/"code":"code_refused"/ : qr/ne peut pas être utilisé/,
                'said' if $json;
        }
    }
    is scalar keys %seen, 1, "T010 $as: one answer to all of them, and the same rows"
        or diag explain [values %seen];
}
$r = typed($c, $bad{revoked});
like $r->text, qr/Ce code ne peut pas être utilisé.*K7QF‑2MXD‑9HTB/s,
    'with an example of what a code looks like';
like $r->content, qr/value="\Q$bad{revoked}"/, 'what was typed is there';


### throttles

{
    my ($c, $person) = person();
    is typed($c, $bad{unknown})->status, 422, 'T013 a bad code' for 1 .. 5;
    my $r = typed($c, $bad{unknown});
    is $r->status, 429, 'T013 the sixth by the account';
    cmp_ok $r->header('retry-after') // 0, '>', 60, 'T013 Retry-After';
    is scalar(() = $r->text =~ /Trop d’essais/g), 2, 'said in the summary and beside the field, no more';
    like $r->text, qr/Attendez avant de réessayer.*Réessayez dans \d+ minutes/s, 'and for how long';
    my $good = free_code(town => 'saint-aubin', situation => 'alone');
    is typed($c, $good->{code})->status, 429, 'T013 a good one waits as well';
    my $again = client(source => '127.0.4.251');
    sign_in($again, $person);
    is typed($again, $bad{unknown})->status, 429, 'T013 from another address as well';
    my ($other) = person();
    is typed($other, $bad{unknown})->status, 422, 'another account does not';

    # good ones are not counted
    my ($keen) = person();
    is typed($keen, $good->{code})->status, 200, 'good codes, as often as one likes'
        for 1 .. 7;

    # by address: twenty an hour, whatever the account
    my @status;
    for (1 .. 5) {
        my ($x) = person(source => '127.0.4.250');
        push @status, map { typed($x, $bad{unknown})->status } 1 .. 4;
    }
    is_deeply \@status, [(422) x 20], 'T014 twenty by one client address';
    my ($x) = person(source => '127.0.4.250');
    is typed($x, $bad{unknown})->status, 429, 'T014 the next waits, whatever the account';
    my ($y) = person();
    is typed($y, $bad{unknown})->status, 422, 'T014 other addresses do not';
    $portal->psql("update portal.attempt set count = 999, first_at = now(), next_at = now()
        where kind = 'code_town'");
    is typed($y, $bad{unknown})->status, 422, 'by town: the thousandth';
    is typed($y, $bad{unknown})->status, 429, 'the next one waits';
    is typed((person())[0], $bad{unknown})->status, 429, 'everybody';
    $portal->psql('delete from portal.attempt');
}


### T094: one code, two accounts at once

{
    my $raced = free_code(town => 'saint-aubin', situation => 'guardianship');
    my @people = map { [person()] } 1 .. 2;
    my @open;

    for my $one (@people) {
        my ($c) = @$one;
        my %form = @{ $c->get('/mes-abonnements/nouveau')->form->{fields} };
        my $body = "csrf=$form{csrf}&key=$form{key}&step=add&code=$raced->{code}";
        my $s = $c->socket;
        print $s "POST /mes-abonnements/nouveau HTTP/1.1\r\nHost: $c->{host}\r\n"
            . "Sec-Fetch-Site: same-origin\r\nConnection: close\r\nCookie: "
            . join('; ', map { "$_=" . $c->cookie($_) } keys %{ $c->cookies })
            . "\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: "
            . length($body) . "\r\n\r\n" . substr $body, 0, -1;
        push @open, [$s, substr $body, -1];
    }
    print { $_->[0] } $_->[1] for @open;
    my @lines = map { my $s = $_->[0]; scalar <$s> } @open;
    my @status = sort map { (split / /)[1] } @lines;
    is_deeply \@status, [303, 422], 'T094 two at once: one of them';
    is $portal->psql("select count(*) from portal.subscription u join portal.code k
        on k.id = u.code_id where k.mac = decode('" . tool("mac\tsaint-aubin\tcode\t"
        . $raced->{code} =~ s/-//gr) . "', 'hex')"), 1, 'T094 one subscription';
    my ($late) = person();
    is typed($late, $raced->{code}, 'add')->status, 422, 'T095 used is used';
}


### adding, log-in again; the same form twice; the family is told

{
    my ($camille) = grep { $_->{email} =~ /^camille/ } @{ $portal->demo->{accounts} };
    my $mails = "select count(*) from portal.outbox where template = 'new_connection'";
    my ($one, $p1) = person();
    my ($two, $p2) = person();
    # the first is of a couple whose other code is used above
    my (undef, @codes) = map { free_code(town => 'saint-aubin', situation => 'couple') } 1 .. 3;
    my ($f) = $portal->psql("select family_id from portal.guardian where last_name =
        'O''Brien'");

    my $page = typed($one, $codes[0]{code});
    my %form = @{ $page->form->{fields} };
    my $sent = $one->submit($page, { step => 'add' });
    is $sent->status, 303, 'added' or diag $sent->text;
    is $portal->psql($mails), 0, 'nobody else is connected: no mail';
    my $twice = $one->submit($page, { step => 'add' });
    is $twice->status, 303, 'T104 the same form again: the same answer';
    is $twice->location, '/mes-abonnements?avis=subscribed', 'T104 the stored one';
    is $portal->psql("select count(*) from portal.subscription where account_id = $p1->{id}"),
        1, 'T104 one subscription';
    my $changed = $one->submit($page, { step => 'add', code => $codes[1]{code} });
    is $changed->status, 422, 'T106 the same key for another code';
    like $changed->text, qr/déjà été envoyé avec d’autres réponses/, 'T106 said';

    my $r = typed($one, $codes[1]{code});
    my $same = $portal->psql("select count(distinct family_id) from portal.code k where
        mac in (" . join(',', map { "decode('" . tool("mac\tsaint-aubin\tcode\t"
        . $_->{code} =~ s/-//gr) . "', 'hex')" } @codes) . ')') == 1;
  SKIP: {
        skip 'codes of two families', 2 if !$same;
        is $r->status, 422, 'the other code of the same family';
        like $r->text, qr/déjà abonné à cette famille/, 'already subscribed, in words';
    }
    $sent = typed($two, $codes[1]{code}, 'add');
    is $sent->status, 303, 'another guardian joins';
    if ($same) {
        is $portal->psql($mails), 1, 'T095 the first is told by mail';
        is $portal->psql("select recipient from portal.outbox where template =
            'new_connection'"), $p1->{email}, 'at its address';
        unlike $portal->psql("select data from portal.outbox where template =
            'new_connection'"), qr/\Q$codes[1]{code}/, 'without the code';
        my $mail = letter($p1->{email}, 'new_connection');
        my $whose = $portal->psql("select g.first_name || ' ' || g.last_name from portal.guardian g
            join portal.subscription s on s.guardian_id = g.id where s.account_id = $p2->{id}");
        like $mail->{$_} =~ s/&#39;|&#x27;/'/gr =~ s/\s+/ /gr,
            qr/dont le code abonné a servi : \Q@{[ Encode::decode("UTF-8", $whose) ]}\E\./, "but whose it was: $_" for qw(text html);
    }

    is $one->get('/famille')->location, '/mes-abonnements?avis=subscribe_first', 'relogin: not yet';
    like $one->get('/mes-abonnements')->text, qr/Prend effet à la prochaine connexion/,
        'said in the list';
    $one->submit($one->get('/mon-espace'), {}, form => '/deconnexion');
    sign_in($one, $p1);
    is $one->get('/famille')->status, 200, 'with the next log-in it is';

    # unsubscribe
    my $id = $portal->psql("select id from portal.subscription where account_id = $p1->{id}");
    is $two->get("/mes-abonnements/$id/resiliation")->status, 404,
        'T080 another\'s subscription is not there';
    is $two->get('/mes-abonnements/99999999/resiliation')->status, 404, 'nor is none';
    my $mine = $portal->psql("select id from portal.subscription where account_id <> "
        . "$p1->{id} order by id desc limit 1");
    my $leave = $one->get("/mes-abonnements/$id/resiliation");
    is $leave->status, 200, 'the page that asks again';
    unlike $leave->text, qr/en cours/, 'nothing is open';
    $portal->psql("insert into portal.change_set (tenant, number, family_id, section, action,
            guardian_id, asker_id, account_id, subject, due_on)
        select u.tenant, '2019-0000001', u.family_id, 'guardian_basic', 'change', u.guardian_id,
            u.guardian_id, u.account_id, 'Quelqu’un', current_date
          from portal.subscription u where u.id = $id");
    $leave = $one->get("/mes-abonnements/$id/resiliation");
    like $leave->text, qr/Votre demande en cours reste à la mairie.* Pour l’annuler, faites-le d’abord/,
        'what is open will be out of reach';
    ok $leave->links->{'/famille/demandes'}, 'the page leads there';
    is as_json($one)->get("/mes-abonnements/$id/resiliation")->json->{open_requests}, 1, 'JSON counts';
    ok((grep { $_ eq 'Résilier cet abonnement' } buttons($leave)), 'its button');
    my %fields = @{ $leave->form->{fields} };
    is $one->post("/mes-abonnements/$mine/resiliation", \%fields)->status, 404,
        'T080 another\'s cannot be ended';
    is $portal->psql("select count(*) from portal.subscription where id = $mine and
        ended_at is null"), 1, 'T080 and is not';
    my $sid = $one->cookie('__Host-portal');
    my $gone = $one->submit($leave, {});
    is $gone->status, 303, 'unsubscribed';
    isnt $one->cookie('__Host-portal'), $sid, 'T053 a new identifier';
    is $one->get('/famille')->location, '/mes-abonnements?avis=subscribe_first', 'the file is closed at once';
    like $one->get('/mes-abonnements')->text, qr/pas encore d’abonnement/, 'the list is empty';
    is $one->get("/mes-abonnements/$id/resiliation")->status, 404, 'not twice';
    my $close = $one->get('/mes-donnees/fermeture');
    like $close->text, qr/Demande de modification en cours/, 'the account waits for the request';
    ok !(grep { m{/famille/demandes/} } keys %{ $close->links }), 'with no link that leads nowhere';
    $portal->psql("delete from portal.change_set where number = '2019-0000001'");
    is typed($one, $codes[0]{code})->status, 422, 'T095 its code stays used';
}


### a town whose setting is immediate

{
    my ($b, $person) = person(town => 'beaulieu');
    my $code = free_code(town => 'beaulieu', situation => 'alone');
    my $sid = $b->cookie('__Host-portal');
    my $r = typed($b, $code->{code}, 'add');
    is $r->status, 303, 'beaulieu: added' or diag $r->text;
    isnt $b->cookie('__Host-portal'), $sid, 'T053 the session is renewed on the spot';
    is $b->get('/famille')->status, 200, 'and reads the file';
    my $old = client(town => 'beaulieu');
    $old->cookie('__Host-portal', $sid);
    is $old->get('/mon-espace')->status, 303, 'T053 the old identifier is dead';
    unlike $b->get('/mes-abonnements')->text, qr/connectez-vous de nouveau/,
        'nobody is told to log in again';
    unlike $b->get('/aide')->text, qr/Se déconnecter », en haut/, 'nor in the help';
    my $absolute = $portal->psql("select count(distinct absolute_until) from
        portal.session where account_id = $person->{id}");
    is $absolute, 1, 'T058 renewing does not prolong';

    my ($bj) = person(town => 'beaulieu', json => 1);
    my $next = free_code(town => 'beaulieu', situation => 'couple');
    $r = typed($bj, $next->{code}, 'add');
    is $r->status, 200, 'JSON: added' or diag $r->content;
    is $bj->get('/famille')->status, 200, 'JSON: at once';
    is $bj->get('/mes-abonnements')->json->{effect}, 'immediate', 'JSON: says so';
}


### T098: an account that has not confirmed has no session to do it with

is client()->get('/mes-abonnements/nouveau')->location,
    '/connexion?suite=%2Fmes-abonnements%2Fnouveau', 'T098 nobody known';
is client(json => 1)->get('/mes-abonnements')->status, 401, 'T098 JSON';

done_testing;
