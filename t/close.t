#!/usr/bin/perl

# « Fermer mon compte »: what is told before, the password, what is erased at
# once, what stays, and a new account with the same address.

use strict;
use warnings;
use utf8;

use Portal::Test;

my $portal = portal();
my $CLOSE = '/mes-donnees/fermeture';

sub state_of {
    my ($id) = @_;

    return join ' ', @{ ($portal->psql("select state, num_nonnulls(first_name, last_name,
        email, email_mac, password_hash, browser_mac, last_family_id), closed_at is not null
        from portal.account where id = $id"))[0] };
}

sub close_with {
    my ($c, $password) = @_;

    return $c->submit($c->get($CLOSE), { current_password => $password }, form => $CLOSE);
}

sub same_session {
    my ($c, %o) = @_;

    my $other = client(%o);
    $other->{cookies} = { %{ $c->{cookies} } };

    return $other;
}


### a parent with a family, on two devices

my $code = free_code(town => 'saint-aubin', situation => 'couple');
my ($c, $person) = parent(code => $code, source => '127.0.10.1');
my $phone = client(source => '127.0.10.2');
sign_in($phone, $person);
my ($id, $guardian, $family) = @{ ($portal->psql("select a.id, u.guardian_id, u.family_id
    from portal.account a join portal.subscription u on u.account_id = a.id
    where a.email = '$person->{email}'"))[0] };
my $file = "select md5(string_agg(g::text, '|' order by g.id)) from portal.guardian g
    where g.family_id = $family";
my $before = $portal->psql($file);

my $page = $c->get($CLOSE);
is $page->status, 200, 'the page';
like $page->text, qr/$_/, "it says: $_" for "Le compte \Q$person->{email}\E sera fermé",
    'Votre nom, votre prénom, votre adresse électronique et votre mot de passe\.',
    'Gardés un an\.', 'Gardées un an\.', 'Gardés 30 jours\.', 'article 17\.3 b du RGPD',
    'Il faudra alors un nouveau code abonné';
is_deeply [grep { $_ eq 'Fermer mon compte' } buttons($page)], ['Fermer mon compte'],
    'and has its button';
ok $c->get('/mes-donnees')->links->{$CLOSE}, '« Mes données » leads to it';
my $j = same_session($c, json => 1, source => '127.0.10.1');
is_deeply [sort keys %{ $j->get($CLOSE)->json }],
    [sort qw(csrf status version account pending ready retention)], 'JSON';

my $r = close_with($c, 'un autre mot de passe');
is $r->status, 422, 'a wrong password';
like $r->text, qr/Ce n’est pas le mot de passe de votre compte/, 'is told';
is state_of($id), 'active 5 f', 'and closes nothing';
is close_with($c, '')->status, 422, 'nor does none';

# a town's own periods
$portal->psql("update portal.town set keep_closed = 60 where id = 1");
like $c->get($CLOSE)->text, qr/Gardés 2 mois\./, 'the town\'s periods';

$r = close_with($c, $person->{password});
is $r->status, 303, 'the right one';
is $r->location, '/?avis=closed', 'leads home';
is state_of($id), 'closed 0 t', 'nothing names the owner any more';
ok wait_for(5, sub { $portal->redis_cli('EXISTS', 'sess:'
    . tool("mac\tsaint-aubin\tsession\t" . $phone->cookie('__Host-portal'))) =~ /0/ }),
    'nor does the record of the other device, before it asks for anything';
ok !defined $c->cookie('__Host-portal'), 'the session\'s cookie is taken back';
my $home = $c->get('/?avis=closed');
like $home->text, qr/Votre compte est fermé\./, 'the home page says so';
like $home->text, qr/Me connecter/, 'to somebody who is logged out';
is $phone->get('/mon-espace')->location, '/connexion?suite=%2Fmon-espace',
    'the other device is logged out too';
is $j->get('/mes-donnees')->status, 401, 'a copy of the cookie is worth nothing';
is $portal->psql("select count(*) from portal.session where account_id = $id
    and ended_at is null"), 0, 'all sessions ended';
is $portal->psql("select count(*) from portal.subscription where account_id = $id
    and ended_at is null"), 0, 'all subscriptions ended';
is $portal->psql("select string_agg(outcome, ' ' order by id) from portal.audit
    where action = 'close_account' and object_id = $id"), 'password_wrong person',
    'the audit tells';

ok wait_for(20, sub { grep { $_->{subject} =~ /est fermé/ }
    mails(to => $person->{email}, wait => 0) }), 'a mail says so';
my ($mail) = grep { $_->{subject} =~ /est fermé/ } mails(to => $person->{email}, wait => 0);
like $mail->{text}, qr/Comme vous l’avez demandé/, 'and why';
like $mail->{text}, qr/Vous n’avez rien demandé/, 'and what to do if not';

is $portal->psql($file), $before, 'the family\'s file is as it was';
is $portal->psql("select used_at is not null from portal.code where used_by = $id"), 't',
    'its code stays used';


### as if it had never been

{
    my $mask = sub { $_[0]->content =~ s/name="(csrf|key)" value="[^"]*"/$1/gr
        =~ s/value="[^"@]*@[^"]*"/EMAIL/gr };
    my ($known, $nobody) = map { my $c = client(source => '127.0.10.3');
        sign_in($c, { email => $_, password => $person->{password} }) }
        $person->{email}, 'nobody.at.all@parents.example';
    is $known->status, $nobody->status, 'log-in: as for an address nobody has';
    is $mask->($known), $mask->($nobody), 'to the byte';

    my $seen = sub { join ' ', map { my @n = $portal->psql("select count(*)
        from portal.$_"); $n[0][0] } qw(account token outbox) };
    my %grown;
    for my $email ($person->{email}, 'brand.new@parents.example') {
        my $c = client(source => '127.0.10.4');
        my @n = split ' ', $seen->();
        my (undef, $r) = sign_up($c, email => $email);
        my @m = split ' ', $seen->();
        $grown{$email} = join ' ', $r->status, $r->location, map { $m[$_] - $n[$_] } 0 .. 2;
    }
    is $grown{ $person->{email} }, $grown{'brand.new@parents.example'},
        'sign-up: as for a new address';

    my $c = client(source => '127.0.10.5');
    my ($again) = sign_up($c, email => $person->{email});
    my ($first) = grep { $_->{link} && $_->{link} =~ /confirmation/ } mails(to => $again->{email});
    is $c->submit($c->get(link_for($again->{email})), {})->location, '/mon-espace?avis=confirmed',
        'the new account is confirmed';
    my ($new) = map { $_->[0] } $portal->psql("select id from portal.account
        where email = '$again->{email}'");
    isnt $new, $id, 'it is another one';
    is $c->get('/famille')->location, '/mes-abonnements?avis=subscribe_first', 'without any family';
    is subscribe($c, $code->{code})->status, 422, 'the old code opens nothing';

    my $data = same_session($c, json => 1)->get('/mes-donnees')->json;
    is_deeply [grep { $_->{action} eq 'close_account' } @{ $data->{events} }], [],
        'and nothing of the first one is among its data';
    is_deeply [grep { $_->{mail} eq 'account_closed' } @{ $data->{mails} }], [],
        'nor its mails';
}


### something is pending

{
    my $person = new_account();
    my $c = client(source => '127.0.10.6');
    sign_in($c, $person);
    my $form = $c->get($CLOSE);
    my $r = $c->submit($c->get('/mon-compte/adresse'), { email => 'other.one@parents.example',
        current_password => $person->{password} }, form => '/mon-compte/adresse');
    is $r->status, 303, 'a change of address is asked for';

    my $page = $c->get($CLOSE);
    like $page->text, qr/Changement d’adresse électronique, demandé le \d+/, 'it is told';
    like $page->text, qr/ne peut pas encore être fermé.*Ce qui est effacé/, 'first of all';
    unlike $page->text, qr/sera fermé tout de suite/, 'and nothing else is said';
    like $page->content, qr{<li><a href="/mon-compte">Changement}, 'with a way to its page';
    ok !$page->form($CLOSE), 'there is no form';
    is same_session($c, json => 1)->get($CLOSE)->json->{pending}[0]{matter}, 'address', 'JSON';
    $r = $c->submit($form, { current_password => $person->{password} }, form => $CLOSE);
    is $r->status, 422, 'a form from before is refused';
    like $r->text, qr/une démarche est en cours/, 'and says why';
    is state_of($person->{id}), 'active 5 f', 'nothing was closed';

    $portal->psql("update portal.token set voided_at = now() where account_id = $person->{id}
        and used_at is null and voided_at is null");
    is close_with($c, $person->{password})->location, '/?avis=closed', 'later it can be';
}


### a request of the family waits for its answer

{
    my ($c, $person) = parent(source => '127.0.10.9');
    my ($id, $guardian) = @{ ($portal->psql("select a.id, u.guardian_id from portal.account a
        join portal.subscription u on u.account_id = a.id
        where a.email = '$person->{email}'"))[0] };
    my $base = "/famille/responsables/$guardian/base";
    my $r = $c->submit($c->get($base), { profession => 'Potière', step => 'send' },
        form => $base);
    my ($path) = ($r->location // '') =~ m{^(/famille/demandes/\d+)};
    ok $path, 'a change is asked for' or diag $r->text;
    my ($set) = $path =~ /(\d+)/;
    my $number = $portal->psql("select number from portal.change_set where id = $set");

    for my $state ('sent', 'taken', 'incomplete') {
        $portal->psql("update portal.change_set set state = '$state', reason = 'Une raison.',
            taken_by = (select min(id) from portal.agent where tenant = 1) where id = $set");
        my $page = $c->get($CLOSE);
        ok !$page->form($CLOSE), "$state: no form";
        like $page->links->{$path} // '', qr/^Demande de modification en cours.* – n° \Q$number\E\z/,
            "$state: a link to it, which no other reads like";
        like $page->text, qr/ne peut pas encore être fermé.*Ce qui est effacé/,
            "$state: first of all";
        unlike $page->text, qr/sera fermé tout de suite/, "$state: and nothing else is said";
        is same_session($c, json => 1)->get($CLOSE)->json->{pending}[0]{matter}, 'request',
            "$state: it says why";
        is same_session($c, json => 1)->get($CLOSE)->json->{pending}[0]{page}, $path,
            "$state: and where";
        my $j = same_session($c, json => 1);
        is json_post($j, $CLOSE, { current_password => $person->{password} })->status, 422,
            "$state: nor is it closed without";
        is state_of($id), 'active 5 f', "$state: it is open";
    }

    is $c->submit($c->get($path), {}, form => $path)->status, 303, 'taken back';
    is close_with($c, $person->{password})->location, '/?avis=closed', 'then it can be';
    is $portal->psql("select state from portal.change_set where id = $set"), 'withdrawn',
        'the town keeps what was asked';
}


### guessing, and sending twice

{
    my $person = new_account();
    my $c = client(source => '127.0.10.7');
    sign_in($c, $person);
    my @status = map { close_with($c, "faux mot de passe $_")->status } 1 .. 7;
    is $status[0], 422, 'a guess';
    is $status[-1], 429, 'and too many of them';
    is close_with($c, $person->{password})->status, 429, 'then not the right one either';
    $portal->psql('delete from portal.attempt');

    my $page = $c->get($CLOSE);
    my ($csrf) = $page->content =~ /name="csrf" value="([^"]*)"/;
    my @sent = map { $c->post($CLOSE, { csrf => $csrf, current_password =>
        $person->{password} }, pending => 1) } 1, 2;
    my @got = map { $_->page } @sent;
    is +(grep { ($_->location // '') eq '/?avis=closed' } @got), 1, 'sent twice: closed once';
    is $portal->psql("select count(*) from portal.outbox where template = 'account_closed'
        and recipient = '$person->{email}'"), 1, 'one mail';
}


### a program

{
    my $person = new_account();
    my $c = client(source => '127.0.10.8');
    sign_in($c, $person);
    my $j = same_session($c, json => 1, source => '127.0.10.8');
    my $r = json_post($j, $CLOSE, { current_password => 'un mot de passe faux' });
    is $r->status, 422, 'JSON: refused';
    is $r->json->{errors}[0]{code}, 'password_wrong', 'JSON: why';
    $r = json_post($j, $CLOSE, { current_password => $person->{password} });
    is $r->status, 200, 'JSON: closed';
    is $r->json->{location}, '/', 'JSON: and where to go on';
    is $r->json->{notice}, 'closed', 'JSON: with what to say there';
    is state_of($person->{id}), 'closed 0 t', 'JSON: it is';
}

is client()->get($CLOSE)->status, 303, 'not for nobody';

done_testing;
