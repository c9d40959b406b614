#!/usr/bin/perl

# « Mon compte », « Changer d'adresse électronique »: who may, what is told to
# whom, and the way back for seven days.

use strict;
use warnings;
use utf8;

use Portal::Test;

my $portal = portal();
my $NEW = 'escargot violet 88 lampe';
my $ADDRESS = '/mon-compte/adresse';
my ($n, $m) = (0, 0);

sub fresh { return client(source => '127.0.9.' . (1 + $n++ % 200), @_) }

sub unused { return sprintf 'moved.%d.%d@parents.example', $$, ++$m }

sub forget_attempts { $portal->psql('delete from portal.attempt') }

sub sign_in_as {
    my ($who) = @_;

    my $c = fresh();
    my $r = sign_in($c, $who);
    die 'no log-in: ', $r->status, "\n" if $r->status != 303;

    return $c;
}

sub try_in {
    my ($email, $password) = @_;

    return sign_in(fresh(), { email => $email, password => $password })->status;
}

sub ask {
    my ($c, $who, $email, %o) = @_;

    return $c->submit($c->get($ADDRESS), { email => $email,
        current_password => $who->{password} }, %o);
}

# an account that has asked for another address: (client, account, new address,
# link to confirm, link to undo)
sub asked {
    my $who = new_account();
    my $c = sign_in_as($who);
    my $email = unused();
    my $r = ask($c, $who, $email);
    die 'not asked: ', $r->status, ' ', $r->text, "\n" if $r->status != 303;

    return ($c, $who, $email, letter($email, 'address_confirm')->{link},
        letter($who->{email}, 'address_asked')->{link});
}

sub address_of {
    my ($who) = @_;

    return $portal->psql("select email from portal.account where id = $who->{id}");
}

sub live_sessions {
    my ($who) = @_;

    return $portal->psql("select count(*) from portal.session s join portal.account a on
        a.id = s.account_id where a.id = $who->{id} and s.ended_at is null and s.epoch = a.epoch");
}

sub masked {
    my ($r) = @_;

    return $r->content =~ s/name="(csrf|key)" value="[^"]*"/$1/gr
        =~ s/"(instance|csrf)":"[^"]*"/$1/gr;
}


### asking

{
    my $who = new_account();
    my $c = sign_in_as($who);
    my $email = unused();

    is $c->get('/mon-compte')->links->{$ADDRESS}, 'Changer d’adresse électronique',
        'in « Mon compte »';
    my $page = $c->get($ADDRESS);
    like $page->text, qr/\Q$who->{email}/, 'the address as it is';
    is $c->submit($page, { email => $email, current_password => 'not the one' })->status, 422,
        'not without the password';
    is $c->submit($page, { email => $email })->status, 422, 'nor without any';
    my $r = $c->submit($page, { email => 'no address', current_password => $who->{password} });
    is $r->status, 422, 'nor what is no address';
    $r = $c->submit($page, { email => uc $who->{email}, current_password => $who->{password} });
    is $r->status, 422, 'nor the one it has';
    like $r->text, qr/déjà l’adresse de votre compte/, 'in words';
    is $portal->psql("select count(*) from portal.token where account_id = $who->{id}"), 0,
        'nothing was made';

    $r = ask($c, $who, $email);
    is $r->location, '/mon-compte?avis=address_sent', 'asked';
    $page = $c->get($r->location);
    like $page->text, qr/Un message vient de partir/, 'in words';
    like $page->text, qr/passage à l’adresse \Q$email\E attend/, 'and that it waits';
    is address_of($who), $who->{email}, 'the address is as it was';
    is try_in($email, $who->{password}), 422, 'the new one is no log-in yet';

    my $told = letter($who->{email}, 'address_asked');
    unlike $told->{text}, qr/\Q$email/, '6.3.7 the old address hears of it, by half';
    like $told->{text}, qr/m•••\@parents\.example/, 'which one';
    like $told->{link}, qr{/mon-compte/adresse/annulation\?jeton=}, 'and how to undo it';
    like letter($email, 'address_confirm')->{link},
        qr{^\Q@{[ $portal->url ]}\E/mon-compte/adresse/confirmation\?jeton=}, 'T046 the link';
    ok wait_for(10, sub { $portal->psql("select count(*) from portal.outbox where
        token_sealed is not null and recipient in ('$email', '$who->{email}')") == 0 }),
        'T036 tokens are erased once sent';

    # guesses count as log-ins do
    $page = $c->get($ADDRESS);
    my @status = map { $c->submit($page, { email => $email, current_password => "wrong guess $_" },
        headers => { 'Idempotency-Key' => "guess-$_" })->status } 1 .. 6;
    is_deeply \@status, [(422) x 5, 429], 'T013 throttled as log-in is';
    forget_attempts();

    # a new request is the only one
    my $first = letter($email, 'address_confirm')->{link};
    my $second = unused();
    ask($c, $who, $second);
    like $c->get($first)->text, qr/Un lien plus récent a remplacé/, 'T031 a newer request voids the older';
    is $c->get('/mon-compte')->text =~ /\Q$second/, 1, 'and is the one shown';
    is ask($c, $who, unused())->status, 303, 'again' for 2 .. 10;
    is ask($c, $who, unused())->status, 429, 'ten a day';
    forget_attempts();

    # the same form twice
    my ($d, $one) = do { my $w = new_account(); (sign_in_as($w), $w) };
    $page = $d->get($ADDRESS);
    my $third = unused();
    is $d->submit($page, { email => $third, current_password => $one->{password} })->location,
        '/mon-compte?avis=address_sent', "T104 time $_" for 1, 2;
    is $portal->psql("select count(*) from portal.outbox where recipient = '$third'"), 1,
        'T104 one mail';
}


### T008: a taken address has the same answer as a free one

for my $json (0, 1) {
    my $as = $json ? 'JSON' : 'HTML';
    my $owner = new_account();
    my $closed = new_account();
    $portal->psql("update portal.account set state = 'closed' where id = $closed->{id}");
    my %mails = (free => 'address_confirm', active => 'account_exists', closed => 'address_confirm');
    my (%seen, %rows, %shown);

    for my $kind (sort keys %mails) {
        my $who = new_account();
        my $c = sign_in_as($who);
        my $email = $kind eq 'free' ? unused() : $kind eq 'active' ? $owner->{email}
            : $closed->{email};
        my $before = $portal->psql('select count(*) from portal.audit')
            . ' ' . counted(qw(token attempt));
        my $page = $c->get($ADDRESS);
        $c->{json} = $json;
        my $r = $json ? json_post($c, $ADDRESS, { email => $email,
                current_password => $who->{password} })
            : $c->submit($page, { email => $email, current_password => $who->{password} });
        $seen{ join "\n", $r->status, $r->location // '', masked($r),
            map { $_->[0] } @{ $r->{list} } }{$kind} = 1;
        my @was = $before =~ /(\d+)/g;
        my @is = ($portal->psql('select count(*) from portal.audit') . ' '
            . counted(qw(token attempt))) =~ /(\d+)/g;
        $rows{ join ' ', map { $is[$_] - $was[$_] } 0 .. $#is }{$kind} = 1;
        $c->{json} = 0;
        $shown{ ($c->get('/mon-compte')->text =~ s/\Q$email/NEW/gr =~ s/\Q$who->{email}/OLD/gr) }{$kind} = 1;
        is $portal->psql("select string_agg(template, ' ') from portal.outbox
            where recipient = '$email'") // '', $mails{$kind}, "T008 $as $kind: told in its mailbox";
        is $portal->psql("select template from portal.outbox where recipient = '$who->{email}'"),
            'address_asked', "T008 $as $kind: the old address is told";
    }
    is scalar keys %seen, 1, "T008 $as: one answer" or diag explain \%seen;
    is scalar keys %rows, 1, "T008 $as: the same rows" or diag explain \%rows;
    is scalar keys %shown, 1, "T008 $as: « Mon compte » tells no more" or diag explain \%shown;
}


### confirming: logged in, elsewhere, as somebody else

{
    my ($c, $who, $email, $link) = asked();
    my $other = sign_in_as($who);
    my $scanner = fresh();
    my $state = "select used_at is null and voided_at is null from portal.token
        where account_id = $who->{id} and purpose = 'address'";

    for my $c ($c, $scanner) {
        is $c->request($_, $link)->status, 200, "T035 $_" for qw(GET HEAD GET);
    }
    is $portal->psql($state), 't', 'T035 nothing consumed';
    my $page = $c->get($link);
    is $page->header('referrer-policy'), 'same-origin', 'T036 the link goes nowhere else';
    unlike $page->content, qr/name="current_password"/, 'logged in: the button is enough';
    unlike $page->content =~ s{<wbr>}{}gr, qr/\Q$email/, 'the address by half only';
    like $scanner->get($link)->content, qr/name="current_password"/, 'elsewhere: the password';

    my $before = $c->cookie('__Host-portal');
    my $r = $c->submit($page, {});
    is $r->location, '/mon-compte?avis=address_changed', 'confirmed' or diag $r->text;
    isnt $c->cookie('__Host-portal'), $before, 'T053 a new identifier';
    like $c->get($r->location)->text, qr/Votre adresse électronique est changée/, 'still inside';
    is address_of($who), $email, 'the address has changed';
    is $other->get('/mon-espace')->status, 303, 'T053 other sessions have ended';
    is live_sessions($who), 1, 'T053 one is left';
    is try_in($email, $who->{password}), 303, 'the new one logs in';
    is try_in($who->{email}, $who->{password}), 422, 'the old one does not';
    like letter($email, 'address_changed')->{text}, qr/désormais celle de votre compte/,
        '6.3.7 the new address is told';
    my $left = letter($who->{email}, 'address_left');
    like $left->{text}, qr/vient de remplacer/, '6.3.7 and the old one';
    like $left->{link}, qr{/adresse/annulation\?jeton=}, 'with a way back';
    like fresh()->get($link)->text, qr/a déjà servi/, 'T028 used';
    forget_attempts();

    # freshly changed: no reset by it before a day has gone
    my $d = fresh();
    is $d->submit($d->get('/mot-de-passe/oubli'), { email => $email })->location,
        '/mot-de-passe/envoye', 'T007 the same answer';
    my $later = letter($email, 'reset_later');
    like $later->{text}, qr/24 heures/, 'a freshly changed address gets no link';
    is $portal->psql("select count(*) from portal.token where account_id = $who->{id}
        and purpose = 'reset'"), 0, 'none was made';
    $portal->psql("update portal.account set address_since = now() - interval '25 hours'
        where id = $who->{id}");
    $d->submit($d->get('/mot-de-passe/oubli'), { email => $email });
    ok letter($email, 'reset'), 'a day later it does';
}

{
    my ($c, $who, $email, $link) = asked();
    my $other = fresh();
    my $page = $other->get($link);
    my $r = $other->submit($page, {});
    is $r->status, 422, 'elsewhere without the password';
    like $r->text, qr/Saisissez le mot de passe/, 'in words';
    $r = $other->submit($page, { current_password => 'not the one of it' });
    is $r->status, 422, 'nor with a wrong one';
    like $r->text, qr/Ce n’est pas le mot de passe/, 'in words';
    is address_of($who), $who->{email}, 'nothing changed';
    my @status = map { $other->submit($page, { current_password => "wrong $_ $_" })->status } 2 .. 6;
    is_deeply \@status, [(422) x 4, 429], 'T013 throttled as log-in is';
    is try_in($who->{email}, $who->{password}), 429, 'T013 by one count';
    forget_attempts();

    # somebody else's session is not enough
    my $thief = sign_in_as(new_account());
    is $thief->submit($thief->get($link), {})->status, 422, 'another account\'s session';
    is address_of($who), $who->{email}, 'nothing changed by that';

    $r = $other->submit($page, { current_password => $who->{password} });
    is $r->location, '/connexion?avis=address_changed', 'with the password' or diag $r->text;
    ok !defined $other->cookie('__Host-portal'), 'no session by that: the log-in is one page';
    is address_of($who), $email, 'the address has changed';
    is $c->get('/mon-espace')->status, 303, 'T053 sessions have ended';
}

# an address that is wider than a telephone breaks after its @ and its dots, and
# is read and sent as it is
{
    my $who = new_account();
    my $c = sign_in_as($who);
    my $long = 'marie-antoinette.de-la-tour' . $$ . '@courrier.exemple.fr';
    my $shown = $long =~ s/([.@])/$1<wbr>/gr;
    $portal->psql("update portal.account set email = '$long' where id = $who->{id}");

    for my $path ('/mon-compte', '/mon-espace', $ADDRESS, '/mon-compte/mot-de-passe', '/mes-donnees',
        '/mes-donnees/fermeture')
    {
        my $r = $c->get($path);
        like $r->content, qr/\Q$shown\E/, "$path: an address breaks where it may";
        like $r->text, qr/ \Q$long\E/, 'and reads as one word';
    }
    $long =~ s/^/autre./;
    my $r = ask($c, { %$who, password => 'not this one' }, $long);
    is $r->status, 422, 'a form shown again';
    like $r->content, qr/value="\Q$long\E"/, 'has it as it was typed';
    is $c->get('/mon-compte', headers => { Accept => 'application/json' })->json->{account}{email},
        $long =~ s/^autre\.//r, 'so has JSON';
}

# in a browser where somebody else is logged in: what was done is said, and to
# nobody as the other one
for my $what ('confirmation', 'annulation') {
    my ($c, $who, $email, $link, $undo) = asked();
    my $shared = sign_in_as(new_account());
    my ($done, $say) = $what eq 'confirmation'
        ? ($shared->submit($shared->get($link), { current_password => $who->{password} }),
           qr/adresse électronique est changée/)
        : ($shared->submit($shared->get($undo), {}), qr/changement d’adresse est annulé/);
    is $done->status, 303, "$what beside another account" or diag $done->text;
    my $r = $shared->get($done->location);
    is $r->status, 200, "$what: the log-in, no other account's space" or diag $r->location;
    like $r->text, $say, "$what: what was done is said";
    is $shared->get('/mon-espace')->status, 303, "$what: the other one is logged out";
}

# JSON
{
    my ($c, $who, $email, $link) = asked();
    my $j = fresh(json => 1);
    my $page = $j->get($link)->json;
    is $page->{state}, 'valid', 'JSON: the link';
    is $page->{known}, JSON::PP::false(), 'JSON: not logged in';
    my ($token) = $link =~ /jeton=(.*)/;
    my %form = (csrf => $page->{csrf}, token => $token);
    is $j->post("$ADDRESS/confirmation", { %form })->json->{errors}[0]{code}, 'required',
        'JSON: without the password';
    my $r = $j->post("$ADDRESS/confirmation", { %form, current_password => $who->{password} });
    is $r->json->{location} . ' ' . $r->json->{notice}, '/connexion address_changed', 'JSON: done' or diag $r->content;
    is $j->post("$ADDRESS/confirmation", { %form, current_password => $who->{password} })->status,
        410, 'JSON: once';
    is $c->get('/mon-compte', headers => { Accept => 'application/json' })->status, 401,
        'JSON: the session has ended';
}


### what voids a request

{
    my ($c, $who, $email, $link) = asked();
    $portal->psql("update portal.token set created_at = now() - interval '2 days',
        expires_at = now() - interval '1 s' where account_id = $who->{id} and purpose = 'address'");
    like $c->get($link)->text, qr/a expiré/, 'T029 24 hours';
    unlike $c->get('/mon-compte')->text, qr/attend d’être confirmé/, 'T029 nothing waits any more';

    ($c, $who, $email, $link) = asked();
    is $c->submit($c->get('/mon-compte/mot-de-passe'), { current_password => $who->{password},
        new_password => $NEW })->status, 303, 'the password changes';
    my $r = $c->get($link);
    like $r->text, qr/ne sert plus.*mot de passe/, 'the identity changed: refused';
    like fresh()->get($link)->text, qr/ne sert plus/, 'wherever';
    is $portal->psql("select count(*) from portal.token where account_id = $who->{id}
        and purpose = 'address' and voided_at is null"), 0, 'and is void for good';
}


### T008: two accounts race for one address

{
    my $email = unused();
    my (@c, @who, @link);
    for (0, 1) {
        $who[$_] = new_account();
        $c[$_] = sign_in_as($who[$_]);
        ask($c[$_], $who[$_], $email);
        push @link, letter($email, 'address_confirm')->{link};
    }
    isnt $link[0], $link[1], 'two links';
    my @page = map { $c[$_]->get($link[$_]) } 0, 1;
    my @got = Portal::Pending->pages(map { $c[$_]->submit($page[$_], {}, pending => 1) } 0, 1);
    is_deeply [sort map { $_->status } @got], [303, 410], 'T008 one wins';
    my ($lost) = grep { $_->status == 410 } @got;
    like $lost->text, qr/celle d’un autre compte/, 'T008 the other is told';
    is $portal->psql("select count(*) from portal.account where email = '$email'"), 1,
        'T008 one account has it';
    my ($which) = grep { $got[$_]->status == 410 } 0, 1;
    is $c[$which]->get('/mon-espace')->status, 200, 'T008 who lost is as before';
    is address_of($who[$which]), $who[$which]{email}, 'T008 with the address it had';

    # who signed up with it and never confirmed stands in nobody's way
    my ($c, $who, $wanted, $link) = asked();
    my $mac = tool("mac\tsaint-aubin\temail\t$wanted");
    my $hash = tool("hash\t-\tun mot de passe 55 autre");
    $portal->psql("insert into portal.account (tenant, first_name, last_name, email, email_mac,
        password_hash) values (1, 'Lou', 'Attend', '$wanted', decode('$mac', 'hex'), '$hash')");
    is $c->submit($c->get($link), {})->status, 303, 'T041 an unconfirmed sign-up gives way';
    is address_of($who), $wanted, 'T041 to who has the mailbox';
    is try_in($wanted, 'un mot de passe 55 autre'), 422, 'T041 its password is good for nothing';
    is try_in($wanted, $who->{password}), 303, 'T041 the owner\'s is';
}


### undoing

# before it is confirmed
{
    my ($c, $who, $email, $link, $undo) = asked();
    my $scanner = fresh();
    is $scanner->request($_, $undo)->status, 200, "T035 $_" for qw(GET HEAD GET);
    is $c->get('/mon-espace')->status, 200, 'T035 nothing consumed';
    my $page = $scanner->get($undo);
    is $page->header('referrer-policy'), 'same-origin', 'T036 the link goes nowhere else';
    like $page->text, qr/a demandé à remplacer/, 'what it is about';
    ok((grep { $_ eq 'Annuler le changement' } buttons($page)), '« Annuler le changement »');
    my $r = $scanner->submit($page, {});
    is $r->location, '/connexion?avis=address_undone', 'undone' or diag $r->text;
    $r = $c->get(letter($who->{email}, 'address_undone')->{link});
    is $r->status, 200, 'where a session has ended by that, the next link opens all the same'
        or diag $r->location;
    ok $r->form('/mot-de-passe/nouveau'), 'with its form';
    unlike $r->text, qr/Se déconnecter/, 'as nobody\'s';
    is $c->get('/mon-espace')->status, 303, 'all sessions end';
    is live_sessions($who), 0, 'each of them';
    like fresh()->get($link)->text, qr/ne sert plus/, 'the request is void';
    is try_in($who->{email}, $who->{password}), 422, 'so is the password, which a thief had';
    my $reset = letter($who->{email}, 'address_undone')->{link};
    $r = $scanner->submit($scanner->get($reset), { new_password => $NEW });
    is $r->location, '/connexion?avis=password', 'a new one is chosen by the link' or diag $r->text;
    is try_in($who->{email}, $NEW), 303, 'and is good';
    like fresh()->get($undo)->text, qr/a déjà servi/, 'T028 used';
}

# a thief with the password: address, then password, then another address
{
    my ($thief, $who, $email, $link, $undo) = asked();
    $thief->submit($thief->get($link), {});
    is address_of($who), $email, 'the thief has the address';
    is $thief->submit($thief->get('/mon-compte/mot-de-passe'), { current_password =>
        $who->{password}, new_password => $NEW })->status, 303, 'and the password';
    my $second = unused();
    ask($thief, { password => $NEW }, $second);
    $thief->submit($thief->get(letter($second, 'address_confirm')->{link}), {});
    is address_of($who), $second, 'and a second address';
    my $theirs = letter($email, 'address_left')->{link};

    my $owner = fresh();
    like $owner->get($undo)->text, qr/a été remplacée/, 'the owner\'s first link is good';
    my $later = letter($who->{email}, 'address_left')->{link};
    is $owner->submit($owner->get($undo), {})->location, '/connexion?avis=address_undone',
        'it undoes all of that';
    is address_of($who), $who->{email}, 'the address is the owner\'s';
    is $thief->get('/mon-espace')->status, 303, 'the thief is out';
    is try_in($who->{email}, $NEW), 422, 'and has no password';
    is try_in($second, $NEW), 422, 'nor an address';
    like fresh()->get($theirs)->text, qr/ne sert plus/, 'nor a way back to theirs';
    like fresh()->get($later)->text, qr/ne sert plus.*annulé par un autre lien/, 'the owner\'s other link is used up as well';
    like letter($second, 'address_lost')->{text}, qr/a retrouvé l’ancienne/,
        '6.3.7 the address that is left hears of it';
    my $reset = letter($who->{email}, 'address_undone')->{link};
    $owner->submit($owner->get($reset), { new_password => "$NEW bis" });
    is try_in($who->{email}, "$NEW bis"), 303, 'the owner is in again';
    forget_attempts();
    my $d = fresh();
    $d->submit($d->get('/mot-de-passe/oubli'), { email => $who->{email} });
    ok letter($who->{email}, 'reset'), 'whose address is not a fresh one';
}

# seven days, and an address that somebody has taken since
{
    my ($c, $who, $email, $link, $undo) = asked();
    $c->submit($c->get($link), {});
    my $later = letter($who->{email}, 'address_left')->{link};
    $portal->psql("update portal.token set created_at = created_at - interval '8 days',
        expires_at = expires_at - interval '7 days' where account_id = $who->{id}
        and outbox_id = (select id from portal.outbox where recipient = '$who->{email}'
        and template = 'address_asked')");
    like fresh()->get($undo)->text, qr/a expiré/, 'T029 seven days';

    my $squatter = new_account();
    $portal->psql("update portal.account a set email = t.email, email_mac = t.email_mac
        from portal.token t where a.id = $squatter->{id} and t.account_id = $who->{id}
        and t.purpose = 'undo'");
    my $d = fresh();
    my $r = $d->submit($d->get($later), {});
    is $r->status, 410, 'another account has it by now';
    like $r->text, qr/celle d’un autre compte/, 'in words';
    is address_of($who), $email, 'nothing changed';
    like fresh()->get("$ADDRESS/annulation?jeton=rien")->text, qr/n’est pas reconnu/, 'unknown';
    like fresh()->get("$ADDRESS/confirmation")->text, qr/n’est pas reconnu/, 'none at all';
}

# T028: once, on both workers
{
    my (undef, $who, undef, $link, $undo) = asked();
    for my $path ($undo, $link) {
        my @c = map { fresh() } 1 .. 4;
        my @pages = map { $_->get($path) } @c;
        my @status = sort map { $_->status } Portal::Pending->pages(map {
            $c[$_]->submit($pages[$_], $path eq $link
                ? { current_password => $who->{password} } : {}, pending => 1) } 0 .. 3);
        is_deeply \@status, [303, 410, 410, 410], 'T028 four at once: one';
        ($who, $link) = (asked())[1, 3] if $path eq $undo;
    }
}

done_testing;
