#!/usr/bin/perl

# « Créer un compte » and the confirmation of the address: the captcha, what a
# taken address may not tell, and who may use a link.

use strict;
use warnings;
use utf8;

use Digest::SHA qw(sha256_hex);
use Time::HiRes qw(sleep time);

use Portal::Test;

my $portal = portal();
my $camille = account(qr/couple/);
my $PASSWORD = 'boussole marine 12 hiver';

# forms got now are three seconds old when they are needed
my @ready = map {
    my $c = client(source => "127.0.6.$_");
    [$c, $c->get('/inscription')];
} 1 .. 30;
my $since = time;

sub ready {
    my $one = shift @ready or die "no form is left\n";

    sleep 3.3 - (time - $since) if time - $since < 3.3;

    return @$one;
}

sub fields {
    my ($email, %o) = @_;

    return (last_name => 'Garnier', first_name => 'Zoé', email => $email,
        password => $PASSWORD, %o);
}

# a new account that waits: (client, email, link)
sub waiting {
    my ($email, %o) = @_;

    my ($c, $page) = ready();
    my $r = $c->submit($page, { fields($email, %o), written_answer($page) });
    die 'no sign-up: ', $r->status, ' ', $r->text, "\n" if $r->status != 303;

    return ($c, $email, link_for($email));
}

sub refused {
    my ($r, $what, $code) = @_;

    is $r->status, 422, "$what: 422" or diag $r->status, ' ', $r->text;
    is $portal->psql("select count(*) from portal.account where email = 'refused\@exemple.fr'"),
        0, "$what: no account";
    my %f = @{ ($r->form // { fields => [] })->{fields} };
    is $f{email}, 'refused@exemple.fr', "$what: the form comes back filled";
    is $f{password}, '', "$what: without the password";
    isnt $f{captcha_challenge} // '', '', "$what: with a new challenge";
    like $r->content, qr/class="captcha field-wrong/, "$what: by the captcha" if $code;
}


### the captcha

{
    my $c = client(source => '127.0.6.100');
    my $page = $c->get('/inscription');
    my $r = $c->submit($page, { fields('refused@exemple.fr'), written_answer($page) });
    refused($r, 'T196 too fast', 1);
    like $r->text, qr/arrivé trop vite/, 'T196 in words';

    # the page that came back is no dead end
    my ($d, $form) = ready();
    $r = $d->submit($form, { fields('refused@exemple.fr'), captcha_answer => 'mille' });
    refused($r, 'T194 a wrong answer', 1);
    isnt { @{ $r->form->{fields} } }->{captcha_challenge},
        { @{ $form->form->{fields} } }->{captcha_challenge}, 'T194 another challenge';

    for (['T193 nothing', {}], ['T193 empty', { captcha_answer => '', captcha_pow => '' }],
        ['T193 a wrong number', { captcha_pow => '-1' }],
        ['T193 no number', { captcha_pow => 'x' x 10_000 }],
        ['T193 no challenge', { captcha_challenge => undef }],
        ['T193 a challenge that is none', { captcha_challenge => 'AQAAAA.BBBB' }],
        ['T193 10 kB of it', { captcha_challenge => 'A' x 10_000 }],
        ['honeypot', { site_web => 'http://spam.example' }])
    {
        my ($what, $more) = @$_;
        my ($c, $page) = ready();
        my $r = $c->submit($page, { fields('refused@exemple.fr'),
            $what =~ /honeypot|challenge/ ? written_answer($page) : (), %$more });
        refused($r, $what, 1);
        # with scripts there is the box alone, without them the question alone
        like $r->text, qr/Cochez .*robot »\. Si une question est posée à la place, répondez-y/,
            "$what: in words true of both" if $what =~ /nothing|empty/;
    }

    # by work instead of the question
    ($c, $page) = ready();
    my %work = $c->captcha($page);
    $r = $c->submit($page, { fields('work@exemple.fr'), %work });
    is $r->status, 303, 'by proof of work' or diag $r->text;

    # a program may write the number that answers the question as one
    {
        my ($j, $page) = ready();
        my %form = (@{ $page->form->{fields} }, fields('number@exemple.fr'));
        delete $form{captcha_pow};
        my ($word) = (written_answer($page))[1];
        my $number = $portal->psql("select q->'a'->>0 from portal.town t,
            jsonb_array_elements(t.captcha_questions) q
            where t.id = 1 and q->'a'->>1 = '$word' limit 1");
        like $number, qr/^[0-9]+$/, 'T194 a question that a number answers';
        for ([$number + 1, 422], [$number, 303]) {
            my ($answer, $status) = @$_;
            my $r = $j->post('/inscription', JSON::PP->new->utf8->encode(
                { %form, captcha_answer => 0 + $answer }),
                headers => { 'Content-Type' => 'application/json' });
            is $r->status, $status, "T194 a number of JSON: $status" or diag $r->text;
        }
    }

    # T191: once only, one after the other and at the same time
    $r = $c->post('/inscription', { @{ $page->form->{fields} },
        fields('refused@exemple.fr'), %work, key => 'another-key-1' });
    refused($r, 'T191 used twice', 1);
    like $r->text, qr/déjà servi/, 'T191 in words';

    ($c, $page) = ready();
    my %answer = written_answer($page);
    my %form = (@{ $page->form->{fields} }, %answer);
    my @open = map {
        my %f = (%form, fields("race$_\@exemple.fr"), key => "race-$_");
        my $body = Portal::Client::_urlencoded(%f);
        my $s = $c->socket;
        print $s "POST /inscription HTTP/1.1\r\nHost: $c->{host}\r\nConnection: close"
            . "\r\nSec-Fetch-Site: same-origin\r\nCookie: __Host-visit="
            . $c->cookie('__Host-visit') . "\r\nContent-Type: "
            . "application/x-www-form-urlencoded\r\nContent-Length: "
            . length($body) . "\r\n\r\n$body";
        $s;
    } 1 .. 4;
    my @status = sort map { my $line = <$_>; (split / /, $line)[1] } @open;
    is_deeply \@status, [303, 422, 422, 422], 'T191 four at once: one';
    is $portal->psql("select count(*) from portal.account where email like 'race%'"), 1,
        'T191 one account';

    # another form's or another town's challenge
    ($c, $page) = ready();
    my $there = client(town => 'beaulieu', source => '127.0.6.101');
    my $theirs = $there->get('/inscription');
    $r = $there->submit($theirs, { fields('refused@exemple.fr'),
        captcha_challenge => { @{ $page->form->{fields} } }->{captcha_challenge},
        $c->captcha($page) });
    refused($r, 'T194 another town\'s challenge', 1);

    # answers are not in the page, and questions change
    my %questions;
    for (1 .. 12) {
        my $html = client()->get('/inscription');
        $questions{ ($html->content =~ m{<label for="captcha">([^<]+)})[0] } = 1;
        my ($answer) = (written_answer($html))[1];
        unlike $html->content =~ s{<p class="hint".*?</p>}{}gsr, qr/>\s*\Q$answer\E\s*</,
            'T194 no answer in the page';
    }
    cmp_ok scalar(keys %questions), '>=', 4, 'T194 questions vary';
}


### T022, T023: passwords

{
    my ($c, $page) = ready();
    my %last = (@{ $page->form->{fields} });
    for (['' => 'password'], ['onze carac1' => 'short'], ['saint-aubin-2026' => 'weak'],
        ['Cantine2026!!' => 'weak'], ['aaaaaaaaaaaaaaa' => 'weak'],
        ['123456789012345' => 'weak'], ['motdepasse2026' => 'weak'],
        ['x' x 257 => 'long'], ['é' x 520 => 'long'],
        ['garnierzoe2026' => 'weak'], ['refused@exemple.fr' => 'weak'])
    {
        my ($password, $why) = @$_;
        my $r = $c->submit($page, { fields('refused@exemple.fr', password => $password) });
        is $r->status, 422, "T022 « " . substr($password, 0, 20) . " »: $why";
        like $r->content, qr/id="password"[^>]*aria-invalid="true"/,
            'T022 told beside the field';
        unlike $r->content, qr/value="\Q@{[ Encode::encode('UTF-8', $password) ]}\E"/,
            'never shown again' if $password ne '' && $password !~ /\@/;
    }
}


### T005: a taken address

{
    my $rows = counted(qw(account token session));
    my ($c, $page) = ready();
    my $taken = $c->submit($page, { fields($camille->{email}), written_answer($page) });
    my $after = counted(qw(account token session));
    my ($d, $form) = ready();
    my $audit = $portal->psql('select count(*) from portal.audit');
    my $free = $d->submit($form, { fields('free@exemple.fr'), written_answer($form) });
    is $portal->psql('select count(*) from portal.audit') - $audit, 1, 'T005 one audit row';

    is $taken->status, $free->status, 'T005 taken or free: same status';
    is $taken->location, $free->location, 'T005 same page';
    is $taken->content, $free->content, 'T005 same bytes';
    is join(' ', map { $_->[0] } @{ $taken->{list} }),
        join(' ', map { $_->[0] } @{ $free->{list} }), 'T005 same headers';
    is $after, $rows, 'T005 taken: no account, token, session';
    is $portal->psql("select template from portal.outbox where recipient =
        '$camille->{email}'"), 'account_exists', 'T005 its owner is told by mail';
    is $portal->psql("select last_name from portal.account where email =
        '$camille->{email}'"), 'Martin', 'T005 and the account is as it was';
    my $in = client();
    is sign_in($in, $camille)->status, 303, 'T005 its password too';

    ($c, $page) = ready();
    $c->submit($page, { fields(uc $camille->{email}), written_answer($page) });
    is counted('account'), 'account ' . $portal->psql('select count(*) from portal.account'),
        'counts';
    is $portal->psql("select count(*) from portal.account where lower(email) =
        '$camille->{email}'"), 1, 'T019 whatever the case: one account';
}


### T035: opening the link consumes nothing; the same browser

my ($c, $email, $link) = waiting('first@exemple.fr');
{
    my $scanner = client(source => '127.0.6.110');
    my $state = 'select used_at is null and voided_at is null from portal.token where
        account_id = (select id from portal.account where email = \'first@exemple.fr\')';
    for my $c ($scanner, $c) {
        for my $method (qw(GET HEAD GET HEAD GET)) {
            is $c->request($method, $link)->status, 200, "T035 $method";
        }
    }
    is $portal->psql($state), 't', 'T035 nothing consumed';
    is $c->get('/mon-espace')->status, 303, 'T035 no session';
    is $c->get($link)->header('referrer-policy'), 'same-origin', 'the link goes nowhere else';

    my $page = $scanner->get($link);
    like $page->content, qr/name="password"/, 'another browser is asked for the password';
    like $page->text, qr/f•••\@exemple\.fr/, 'and shown the address by half';
    unlike $page->text, qr/first\@exemple/, 'not whole';
    my $r = $scanner->submit($page, {});
    is $r->status, 422, 'another browser without a password';
    is $r->form ? 1 : 0, 1, 'sees the form again';
    like $r->text, qr/Saisissez le mot de passe choisi/, 'and is asked for one';
    $r = $scanner->submit($page, { password => 'not the one of it' });
    is $r->status, 422, 'with a wrong one';
    like $r->text, qr/pas le mot de passe choisi/, 'in words';
    is $portal->psql($state), 't', 'nothing consumed by that';

    $r = $c->submit($c->get($link), {});
    is $r->status, 303, 'the browser that signed up: the button is enough';
    is $r->location, '/mon-espace?avis=confirmed', 'to the space';
    is $c->get('/mon-espace')->status, 200, 'with a session';

    # used
    for my $c ($c, $scanner) {
        $r = $c->get($link);
        like $r->text, qr/a déjà servi/, 'a used link says so';
        like $r->content, qr{href="/connexion"}, 'and leads on';
    }
    unlike $c->get($link)->text, qr/reste qu’à vous connecter|Recevoir un nouveau lien/,
        'who is signed in needs neither to be nor another link';
    like $c->get($link)->text, qr/il ne vous reste rien à faire/, 'which is said';
    my %f = @{ $page->form->{fields} };
    $r = $scanner->post('/inscription/confirmation', { %f, password => $PASSWORD });
    is $r->status, 410, 'T028 a used link cannot be used' or diag $r->text;
    ok !defined $scanner->cookie('__Host-portal'), 'T028 no session';
}


### another browser with the password, with a new one; twice at once

{
    my (undef, $email, $link) = waiting('second@exemple.fr');
    my $other = client(source => '127.0.6.111');
    my $r = $other->submit($other->get($link), { password => $PASSWORD });
    is $r->status, 303, 'another browser with the password' or diag $r->text;
    is $other->get('/mon-espace')->status, 200, 'has a session';

    # T041: who signed up with somebody's address loses what they chose
    (my $thief, $email, $link) = waiting('third@exemple.fr');
    $other = client(source => '127.0.6.112');
    $r = $other->submit($other->get($link), { new_password => 'escargot violet 88 lampe' });
    is $r->status, 303, 'T041 another browser with a new password' or diag $r->text;
    is sign_in(client(), { email => $email, password => $PASSWORD })->status, 422,
        'T041 the first password is void';
    is sign_in(client(), { email => $email, password => 'escargot violet 88 lampe' })
        ->status, 303, 'T041 the new one is good';
    like $thief->get($link)->text, qr/a déjà servi/, 'T041 the link is void for the first';
    is $thief->get('/mon-espace')->status, 303, 'T041 who has no session';
    (undef, $email, $link) = waiting('fourth@exemple.fr');
    $other = client(source => '127.0.6.113');
    $r = $other->submit($other->get($link), { new_password => 'court' });
    is $r->status, 422, 'a new password is checked as the first was';

    # T028
    my $page = $other->get($link);
    my %f = (@{ $page->form->{fields} }, password => $PASSWORD, new_password => '');
    my $body = Portal::Client::_urlencoded(%f);
    my @open = map {
        my $s = $other->socket;
        print $s "POST /inscription/confirmation HTTP/1.1\r\nHost: $other->{host}\r\n"
            . "Connection: close\r\nSec-Fetch-Site: same-origin\r\nCookie: __Host-visit="
            . $other->cookie('__Host-visit') . "\r\nContent-Type: "
            . "application/x-www-form-urlencoded\r\nContent-Length: " . length($body)
            . "\r\n\r\n$body";
        $s;
    } 1 .. 4;
    my @status = sort map { my $line = <$_>; (split / /, $line)[1] } @open;
    is_deeply \@status, [303, 410, 410, 410], 'T028 four at once: one';
    is $portal->psql("select count(*) from portal.session s join portal.account a on
        a.id = s.account_id where a.email = '$email'"), 1, 'T028 one session';
}


### links that are expired, void, unknown, someone else's

{
    my ($c, $email, $link) = waiting('fifth@exemple.fr');
    $portal->psql("update portal.token set created_at = now() - interval '25 h',
        expires_at = now() - interval '1 s' where account_id =
        (select id from portal.account where email = '$email')");
    my $r = $c->get($link);
    is $r->status, 200, 'T029 an expired link has a page';
    like $r->text, qr/Ce lien a expiré/, 'T029 that says so';
    ok((grep { $_ eq 'Recevoir un nouveau lien' } buttons($r)), 'T029 and offers a new one');
    my ($token) = $link =~ /jeton=(.*)/;
    is $c->post('/inscription/confirmation', { csrf => { @{ $r->form->{fields} } }->{csrf},
        token => $token })->status, 410, 'T029 and does not confirm';

    my $again = $c->submit($r, {}, form => '/inscription/renvoi');
    is $again->location, '/inscription/envoyee', 'a new one is sent by the old link';
    my $new;
    ok wait_for(10, sub { $new = link_for($email); $new && $new ne $link }), 'another link';
    $r = $c->submit($c->get($new), {});
    is $r->status, 303, 'which confirms' or diag $r->text;

    # a newer link voids the older ones; T007 the answer is always the same
    ($c, $email, $link) = waiting('sixth@exemple.fr');
    my %seen;
    for my $who ($email, $camille->{email}, 'nobody.knows@exemple.fr') {
        my $rows = counted('outbox');
        my $d = client(source => '127.0.6.120');
        my $r = $d->submit($d->get('/inscription/renvoi'), { email => $who });
        $seen{ $r->status . ' ' . $r->location . ' ' . $r->content }++;
        if ($who eq $email) { isnt counted('outbox'), $rows, 'T007 a mail to who waits' }
        else { is counted('outbox'), $rows, "T007 none to $who" }
    }
    is scalar keys %seen, 1, 'T007 one answer to all';
    $r = $c->get($link);
    like $r->text, qr/Un lien plus récent a remplacé celui-ci : ouvrez le dernier message/,
        'T031 the older link is void';
    unlike $r->text, qr/a expiré/, 'T031 it is not a matter of time';
    ok !$r->form('/inscription/renvoi'), 'T031 nor is one pressed for another, which would void the good one';
    is $c->get($link, headers => { Accept => 'application/json' })->json->{state},
        'replaced', 'T031 JSON';
    isnt link_for($email), $link, 'the newest is good';
    $r = $c->get(link_for($email));
    unlike $r->content, qr/name="password"/, 'in the browser of the sign-up still';

    # T043: no flood
    my $rows;
    for (1 .. 8) {
        my $d = client(source => '127.0.6.121');
        is $d->submit($d->get('/inscription/renvoi'), { email => $email })->status, 303,
            'T043 always the same page';
    }
    cmp_ok $portal->psql("select count(*) from portal.outbox where recipient = '$email'"),
        '<=', 5, 'T043 five mails an hour';

    # T032, T037: not what the database holds, nor any other text
    my $mac = $portal->psql("select encode(mac, 'hex') from portal.token limit 1");
    for my $bad ($mac, 'A' x 43, substr($mac, 0, 43), 'x', '', 'A' x 44, '%00' =~ s/%00//r,
        "' or 1=1--")
    {
        my $text = $bad =~ s/([^\w-])/sprintf '%%%02X', ord $1/ger;
        my $r = $c->get("/inscription/confirmation?jeton=$text");
        is $r->status, 200, 'T037 « ' . substr($bad, 0, 12) . ' »: a page';
        like $r->text, qr/pas reconnu/, 'T037 not known';
    }
}

# nothing typed: nobody is told that a mail is on its way
{
    my $c = client(source => '127.0.6.122');
    for my $typed ('', '   ') {
        my $r = $c->submit($c->get('/inscription/renvoi'), { email => $typed });
        is $r->status, 422, "nothing typed, « $typed »";
        like $r->content, qr/id="email"[^>]*aria-invalid="true"/, 'beside the field';
        like $r->text, qr/Saisissez une adresse électronique/, 'which says why';
    }

    my $j = client(json => 1, source => '127.0.6.122');
    for my $sent ({}, { email => '' }, { email => undef }, { email => '   ' }) {
        my $r = json_post($j, '/inscription/renvoi', $sent);
        is $r->status, 422, 'nor in JSON';
        is_deeply [map { "$_->{field} $_->{code}" } @{ $r->json->{errors} // [] }],
            ['email required'], 'which names it';
    }

    is json_post($j, '/inscription/renvoi', { email => 'nobody.knows@exemple.fr' })->status,
        200, 'an address that nobody has is answered as one that somebody has';
}

# of an account never confirmed the newest sign-up wins
{
    my ($old, $email, $link) = waiting('seventh@exemple.fr', first_name => 'Ancienne');
    my ($new, undef, $newer) = waiting('seventh@exemple.fr', first_name => 'Nouvelle',
        password => 'trompette orange 55 nuage');
    isnt $newer, $link, 'T041 a second sign-up has its own link';
    like $old->get($link)->text, qr/Un lien plus récent a remplacé/, 'T041 the first is void';
    is $new->submit($new->get($newer), {})->status, 303, 'T041 the second confirms';
    is $portal->psql("select first_name from portal.account where email = '$email'"),
        'Nouvelle', 'T041 the newest sign-up wins';
    is sign_in(client(), { email => $email, password => $PASSWORD })->status, 422,
        'T041 not the first password';
}


### T044, T046: addresses as typed; links of the town's own origin

{
    my ($c, $page) = ready();
    my $r = $c->submit($page, { fields('eighth@exemple.fr'), written_answer($page) },
        headers => { Host => "$c->{host}", 'X-Forwarded-Host' => 'evil.example' });
    is $r->status, 303, 'signed up';
    like link_for('eighth@exemple.fr'), qr{^\Q@{[ $portal->url ]}/inscription/},
        'T046 the link is the town\'s origin';
}

# T104: the same form twice
{
    my ($c, $page) = ready();
    my %answer = written_answer($page);
    my $one = $c->submit($page, { fields('ninth@exemple.fr'), %answer });
    my $two = $c->submit($page, { fields('ninth@exemple.fr'), %answer });
    is $two->status, 303, 'T104 the same form twice: the same answer' or diag $two->text;
    is $two->location, $one->location, 'T104 and place';
    is $portal->psql("select count(*) from portal.outbox where recipient =
        'ninth\@exemple.fr'"), 1, 'T104 one mail';
}

done_testing;
