#!/usr/bin/perl

# What stands for a person who is not logged in: an address as it is typed, and
# the token of a mail's link. Neither may stand for somebody else.

use strict;
use warnings;
use utf8;

use Encode ();
use Unicode::Normalize qw(NFD);

use Portal::Fault qw(together);
use Portal::Test;

my $portal = portal();
my $PASSWORD = 'boussole marine 12 hiver';

sub mac { tool("mac\tsaint-aubin\temail\t" . Encode::encode('UTF-8', $_[0])) }

# an account that waits, without the pages: (client, email, link)
my $n = 0;
sub waiting {
    my $c = client(source => '127.0.8.' . ++$n);
    my $email = "waits.$n\@exemple.fr";
    my $mac = mac($email);

    $portal->psql("insert into portal.account (tenant, first_name, last_name,
        email, email_mac, password_hash) values (1, 'Lou', 'Attend', '$email',
        decode('$mac', 'hex'), '" . hash() . "')");
    $c->submit($c->get('/inscription/renvoi'), { email => $email });

    return ($c, $email, link_for($email) // die "no link for $email\n");
}

my $HASH;
sub hash { $HASH //= tool("hash\t-\t$PASSWORD") }

sub token_of { ($_[0] =~ /jeton=([\w-]+)$/)[0] }


### T026: what is drawn

{
    my $c = client();
    my @drawn;
    for (1 .. 30) {
        push @drawn, map { ($_->header('set-cookie') // '')
            =~ /^__Host-visit=([^;]*)/ } together(map {
            $c->get('/connexion', pending => 1, forget => 1) } 1 .. 100);
    }
    is scalar @drawn, 3000, 'T026 3,000 drawn by two workers';
    is scalar(grep { !/^[\w-]{43}$/ } @drawn), 0, 'T026 of 43 characters';
    my %seen;
    $seen{$_}++ for @drawn;
    is scalar keys %seen, 3000, 'T026 no two alike';

    # each place but the last, which holds four bits, takes all 64 values; one
    # value 47 times on average, 120 times in a fair draw never
    my ($few, $often) = (0, 0);
    for my $place (0 .. 41) {
        my %at;
        $at{ substr $_, $place, 1 }++ for @drawn;
        $few++ if keys %at < 64;
        $often++ if grep { $_ > 120 } values %at;
    }
    is $few, 0, 'T026 no place is of a time or a sequence';
    is $often, 0, 'T026 and none has a favourite';
}


### T019: one address, however it is written

{
    my $person = new_account(email => 'mike.adresse@exemple.fr');

    for my $typed ('MIKE.adresse@exemple.fr', ' mike.adresse@exemple.fr ',
        'mike.adresse@EXEMPLE.FR', "mike.adresse\@exemple.fr\t",
        # as a telephone's contacts and some pages give it away
        "\x{202a}mike.adresse\@exemple.fr\x{202c}", "\x{feff}mike.adresse\@exemple.fr\x{200b}")
    {
        is sign_in(client(), { %$person, email => $typed })->status, 303,
            "T019 « $typed »";
    }

    # T044: what only looks like it
    my $rows = counted(qw(account session));
    for my $typed ("m\x{131}ke.adresse\@exemple.fr", "mike.adresse\@ex\x{435}mple.fr",
        "\x{217}ike.adresse\@exemple.fr", "mike\x{2024}adresse\@exemple.fr",
        "mike.adresse\x{ff20}exemple.fr", "\x{43c}ike.adresse\@exemple.fr",
        'mike.adresse@xn--exmple-4of.fr', "mike.adresse\@exem\x{200b}ple.fr",
        'mike.adresse+x@exemple.fr', 'mikeadresse@exemple.fr',
        'mike.adresse@exemple.fr.')
    {
        my $r = sign_in(client(source => '127.0.8.200'), { %$person,
            email => $typed });
        my $shown = $typed =~ s/([^\x20-\x7e])/sprintf '\\x{%x}', ord $1/ger;
        is $r->status, 422, "T044 $shown is nobody";
        $portal->psql('delete from portal.attempt');
    }
    is counted(qw(account session)), $rows, 'T044 nobody was let in';

    # the mail of one who asks goes to the address that is on file
    my ($c, $email) = waiting();
    $portal->psql('delete from portal.attempt');
    my $d = client();
    $d->submit($d->get('/inscription/renvoi'), { email => uc $email });
    is $portal->psql("select count(*) from portal.outbox where recipient = '$email'"),
        2, 'T044 a mail goes to the address on file, not to the one typed';
    is $portal->psql("select count(*) from portal.outbox where recipient = '"
        . uc($email) . "'"), 0, 'T044 not to the one typed';

    # a domain with accents is taken in its ASCII form, which browsers send
    my $anne = new_account(email => 'anne@xn--cole-9oa.exemple.fr');
    is sign_in(client(), $anne)->status, 303, 'T019 a domain in its ASCII form';
    for my $domain ("\x{e9}cole", NFD("\x{e9}cole"), "\x{435}cole") {
        my $email = "anne\@$domain.exemple.fr";
        utf8::upgrade($email);
        my $r = sign_in(client(), { %$anne, email => $email });
        is $r->status, 422, 'T019 T044 a domain in other letters is refused';
        like $r->text, qr/adresse sans accent/, 'T019 and it is said why';
    }
}


### T146: addresses that mail servers read otherwise

{
    my $rows = counted(qw(account token outbox));
    my $c = client(source => '127.0.8.201');
    my $page = $c->get('/inscription/renvoi');
    for my $bad ('a@exemple.fr,b@exemple.fr', '<a@exemple.fr>', '"a b"@exemple.fr',
        'a@[127.0.0.1]', 'a@[IPv6:::1]', 'a(b)@exemple.fr', 'a@exemple.fr(b)',
        'x' x 300 . '@exemple.fr', 'a@' . 'x' x 300 . '.fr', 'a@' . 'x' x 64 . '.fr',
        '-oQ/tmp@exemple.fr', 'a@-exemple.fr', "a\@exemple.fr\r\nRCPT TO:<v\@exemple.fr>",
        "a\@exemple.fr\nBcc: v\@exemple.fr", 'a@exemple.fr; b@exemple.fr',
        'Nom <a@exemple.fr>', 'a@exemple', '@exemple.fr', 'a@', 'a', 'a@b@exemple.fr',
        'a@exemple..fr', '.a@exemple.fr', 'a.@exemple.fr', 'a..b@exemple.fr',
        'a@exemple.fr%0aBcc:v@exemple.fr', 'a%exemple.fr@evil.example.', 'a@127.0.0.1',
        'a@exemple.fr>', "a\@exemple.fr\0")
    {
        my $shown = substr $bad =~ s/([^\x20-\x7e])/sprintf '\\x%02x', ord $1/ger,
            0, 40;
        like $c->submit($page, { email => $bad })->status, qr/^4(?:00|22)$/,
            "T146 $shown";
    }
    is counted(qw(account token outbox)), $rows, 'T146 no mail for any of them';
}


### T031: what happened since the link was sent

for my $case (
    ['closed', sub { $portal->psql("update portal.account set state = 'closed'
        where email = '$_[0]'") }, qr/ne sert plus|pas reconnu/, qr/^(?:void|unknown)$/],
    ['a new password', sub { $portal->psql("update portal.account set epoch = epoch + 1
        where email = '$_[0]'") }, qr/ne sert plus/, qr/^void$/],
    ['a newer link', sub { my $d = client(source => '127.0.8.202');
        $d->submit($d->get('/inscription/renvoi'), { email => $_[0] }) },
        qr/Un lien plus récent a remplacé celui-ci : ouvrez le dernier message/,
        qr/^replaced$/])
{
    my ($what, $happens, $says, $state) = @$case;
    my ($c, $email, $link) = waiting();
    my $page = $c->get($link);
    is $page->status, 200, "T031 $what: before";
    $happens->($email);

    my $r = $c->submit($page, { password => $PASSWORD });
    is $r->status, 410, "T031 $what: the link is void" or diag $r->text;
    ok !defined $c->cookie('__Host-portal'), "T031 $what: no session";
    # a closed account's links are erased when the purge passes
    my $text = $c->get($link)->text;
    like $text, $says, "T031 $what: its page says so";
    unlike $text, qr/a expiré|déjà servi/, "T031 $what: and nothing else";
    like $c->get($link, headers => { Accept => 'application/json' })->json->{state}, $state,
        "T031 $what: as JSON";
}


### T032, T034, T037, T038: what is no link's token, and what is none but that

{
    my ($c, $email, $link) = waiting();
    my ($d, $person) = (client(), new_account());
    sign_in($d, $person);
    my $page = $c->get($link);
    my %form = @{ $page->form->{fields} };
    my $token = token_of($link);
    my $sign_up = $c->get('/inscription');
    my %signs = @{ $sign_up->form->{fields} };
    my ($mac, $sealed) = @{ ($portal->psql("select encode(k.mac, 'hex'),
        encode(k.mac, 'base64') from portal.token k join portal.account a
        on a.id = k.account_id where a.email = '$email'"))[0] };

    my %others = ('a session' => $d->cookie('__Host-portal'),
        'a visitor\'s cookie' => $c->cookie('__Host-visit'),
        'a CSRF token' => $form{csrf}, 'a key of idempotency' => $signs{key},
        'a challenge' => $signs{captcha_challenge}, 'its own MAC' => $mac,
        'its MAC in base64' => $sealed =~ tr{+/=}{-_}dr,
        'its first half' => substr($token, 0, 21) . 'A' x 22);
    for my $what (sort keys %others) {
        my $text = $others{$what};
        my $r = $c->get('/inscription/confirmation?jeton='
            . $text =~ s/([^\w-])/sprintf '%%%02X', ord $1/ger);
        like $r->text, qr/pas reconnu/, "T032 T037 $what is no token of a link";
        my $sent = $c->post('/inscription/confirmation', { %form, token => $text,
            password => $PASSWORD });
        like $sent->status, qr/^4(?:10|22)$/, "T032 T037 $what: nor sent";
    }

    # the link's token elsewhere
    my $thief = client();
    $thief->cookie('__Host-portal', $token);
    is $thief->get('/mon-espace')->status, 303, 'T032 a link\'s token is no session';
    is $c->post('/inscription/renvoi', { csrf => $token, email => $email })->status,
        403, 'T032 nor a CSRF token';
    my $other = client(town => 'beaulieu');
    like $other->get("/inscription/confirmation?jeton=$token")->text,
        qr/pas reconnu/, 'T032 nor is it one in the other town';

    # T034: whom it is about is in the token alone
    for my $more ({ email => $person->{email} }, { account => $person->{id} },
        { account_id => $person->{id} }, { tenant => 2 })
    {
        my $r = $c->post('/inscription/confirmation', { %form, %$more });
        is $r->status, 422, 'T034 ' . join ' ', %$more;
    }

    # T038: guesses do no harm and tell nothing
    my @pages = together(map {
        my $guess = join '', map { ('A' .. 'Z', 'a' .. 'z', 0 .. 9, '-', '_')
            [rand 64] } 1 .. 42;
        $c->get("/inscription/confirmation?jeton=${guess}A", pending => 1,
            forget => 1);
    } 1 .. 200);
    is scalar(grep { $_->status =~ /^(?:200|429)$/ } @pages), 200,
        'T038 200 guesses: a page each, no error';
    is scalar(grep { $_->status == 200 && $_->text !~ /pas reconnu/ } @pages), 0,
        'T038 the same page';
    is scalar(my @errors = grep { /database error/ }
        split /^/, Portal::Place::slurp($portal->nginx->error_log)), 0,
        'T038 nor an error of the database';

    is $portal->psql("select state from portal.account where email = '$email'"),
        'unconfirmed', 'all that time nobody was confirmed';
    is $c->submit($c->get($link), { password => $PASSWORD })->status, 303,
        'and the link is good still';
}


### T023: how long a password may be

{
    my $c = client(source => '127.0.8.210');
    my $page = $c->get('/inscription');
    my %captcha = $c->captcha($page);
    my $long = join ' ', map { "galet$_" } 1 .. 60;

    sub sent {
        my ($c, $page, $password) = @_;
        return $c->submit($page, { last_name => 'Garnier', first_name => 'Zoé',
            email => 'length@exemple.fr', password => $password });
    }

    # no captcha is answered: only the password is wrong, or is not
    for my $case ([11, 1], [12, 0], [15, 0], [64, 0], [256, 0], [257, 1]) {
        my ($length, $wrong) = @$case;
        my $password = substr 'qX7 mfz9Lw2v ' . $long, 0, $length;
        my $r = sent($c, $page, $password);
        is $r->status, 422, "T023 $length characters: without the captcha";
        my $marked = $r->content =~ /id="password"[^>]*aria-invalid="true"/ ? 1 : 0;
        is $marked, $wrong, 'T023 ' . ($wrong ? 'refused' : 'the password is good');
    }
    unlike sent($c, $page, 'boussole lagune tricot')->content,
        qr/id="password"[^>]*aria-invalid="true"/, 'no kind of character is demanded';
    like sent($c, $page, "\x{1f344}" x 257)->content,
        qr/id="password"[^>]*aria-invalid="true"/, 'T023 more than 1,024 bytes';
    is sent($c, $page, 'x' x 1_000_000)->status, 413, 'T023 a megabyte is not read';
    my $d = client(source => '127.0.8.211');
    my $r = $d->submit($d->get('/connexion'), { email => 'length@exemple.fr',
        password => 'x' x 1025 });
    is $r->status, 422, 'T023 nor is it tried at the log-in';

    # nothing of the longest one is cut off
    my $exact = substr 'qX7 mfz9Lw2v ' . $long, 0, 256;
    my $person = new_account();
    $portal->psql("update portal.account set password_hash = '"
        . tool("hash\t-\t$exact") . "' where id = $person->{id}");
    is sign_in(client(), { %$person, password => $exact })->status, 303,
        'T023 256 characters open';
    is sign_in(client(), { %$person, password => substr $exact, 0, 255 })->status,
        422, 'T023 255 of them do not';
}

done_testing;
