#!/usr/bin/perl

# A forgotten password, and another one: what the answers may not tell, what a
# link is worth and how long, and what ends with the old password.

use strict;
use warnings;
use utf8;

# nginx's debug log tells of each hash
BEGIN { $ENV{PORTAL_LOG} = 'debug' }

use Portal::Place qw(slurp);
use Portal::Test;

my $portal = portal();
my $NEW = 'escargot violet 88 lampe';
my $LINK = '/mot-de-passe/nouveau';
my $n = 0;

# each statement that nginx runs is in the database's log
$portal->psql("alter role portal_web set log_statement = 'all'");
$portal->reload;
wait_for(20, sub { client()->get('/')->status == 200 });

sub fresh { return client(source => '127.0.8.' . (1 + $n++ % 200), @_) }

sub forget_attempts { $portal->psql('delete from portal.attempt') }

sub forgot {
    my ($c, $email, %o) = @_;

    return json_post($c, '/mot-de-passe/oubli', { email => $email }, %o) if $c->{json};
    return $c->submit($c->get('/mot-de-passe/oubli'), { email => $email }, %o);
}

# asks for a link and waits for its mail
sub link_of {
    my ($email) = @_;

    is forgot(fresh(), $email)->status, 303, "a link for $email";
    my $mail = letter($email, 'reset') or die "no mail for $email\n";

    return $mail->{link};
}

# what may differ between two answers, taken out
sub masked {
    my ($r) = @_;

    my $text = $r->content;

    $text =~ s/name="(csrf|key)" value="[^"]*"/$1/g;
    $text =~ s/"(request|csrf)":"[^"]*"/$1/g;
    $text =~ s/(value=")[^"@]*@[^"]*"/${1}EMAIL"/g;

    return $text;
}

# the work that a request made: statements and hashes
sub work {
    my ($do) = @_;

    my $log = $portal->pg->log_file;
    my $errors = $portal->nginx->error_log;
    my ($sql, $debug) = (-s $log, -s $errors);
    my $r = $do->();
    my $from = sub {
        open my $fh, '<', $_[0] or die "$_[0]: $!\n";
        seek $fh, $_[1], 0;
        local $/;
        return scalar <$fh>;
    };
    my @calls = $from->($log, $sql)
        =~ /portal_web LOG: .*?portal\.(\w+)\(/g;
    my @hashes = $from->($errors, $debug) =~ /added to thread pool/g;

    return ($r, "@calls, " . @hashes . ' hashes');
}

# an account in each state
my %who = (
    known => new_account()->{email},
    unconfirmed => do {
        my $one = new_account()->{email};
        $portal->psql("update portal.account set state = 'unconfirmed',
            confirmed_at = null where email = '$one'");
        $one;
    },
    closed => do {
        my $one = new_account()->{email};
        $portal->psql("update portal.account set state = 'closed' where email = '$one'");
        $one;
    },
    unknown => 'nobody.at.all@exemple.fr',
);


### T007: the same answer and the same work, whoever asks

for my $json (0, 1) {
    my $as = $json ? 'JSON' : 'HTML';
    my (%seen, %work, %rows);

    for my $state (sort keys %who) {
        forget_attempts();
        my $c = fresh(json => $json);
        my $page = $c->get('/mot-de-passe/oubli');
        my %mails = map { $_ => 1 } map { $_->[0] } $portal->psql('select id from portal.outbox');
        my $before = $portal->psql('select count(*) from portal.audit');
        my ($r, $work) = work(sub { $json
            ? $c->post('/mot-de-passe/oubli', { csrf => $page->json->{csrf},
                email => $who{$state} })
            : $c->submit($page, { email => $who{$state} }) });
        $seen{ join "\n", $r->status, $r->location // '', masked($r),
            map { $_->[0] } @{ $r->{list} } }{$state} = 1;
        $work{$work}{$state} = 1;
        $rows{ join ' ', $portal->psql('select count(*) from portal.audit') - $before,
            scalar $portal->psql('select count(*) from portal.attempt') }{$state} = 1;
        my @new = map { "$_->[1]" } grep { !$mails{ $_->[0] } }
            $portal->psql('select id, template from portal.outbox');
        is "@new", { known => 'reset', unconfirmed => 'confirm' }->{$state} // '',
            "T007 $as $state: who is written to, and what";
    }
    is scalar keys %seen, 1, "T007 $as: one answer" or diag explain \%seen;
    is scalar keys %work, 1, "T007 $as: the same calls and hashes"
        or diag explain \%work;
    like((keys %work)[0], qr/^enter forgot_password, 0 hashes/, "T007 $as: counted");
    is scalar keys %rows, 1, "T007 $as: the same rows" or diag explain \%rows;
}

# and a log-in with a wrong password
{
    my (%seen, %work);
    for my $state (grep { $_ ne 'closed' } sort keys %who) {
        forget_attempts();
        my $c = fresh();
        my $page = $c->get('/connexion');
        my ($r, $work) = work(sub { $c->submit($page, { email => $who{$state},
            password => 'not the one of it' }) });
        $seen{ $r->status . masked($r) }{$state} = 1;
        $work{$work}{$state} = 1;
    }
    is scalar keys %seen, 1, 'T001 log-in: one answer';
    is scalar keys %work, 1, 'T001 log-in: the same work' or diag explain \%work;
    like((keys %work)[0], qr/, 1 hashes/, 'T001 log-in: one hash each');
    forget_attempts();
}

# five mails an hour; the sixth time looks the same
{
    my $one = new_account()->{email};
    my %seen;
    $seen{ $_->status . $_->location . $_->content }++
        for map { forgot(fresh(), $one) } 1 .. 8;
    is_deeply [values %seen], [8], 'T043 always the same page';
    is $portal->psql("select count(*) from portal.outbox where recipient = '$one'"), 5,
        'T043 five mails an hour';
    is $portal->psql("select count(*) from portal.token k join portal.account a on
        a.id = k.account_id where a.email = '$one' and k.voided_at is null"), 1,
        'T031 the newest link is good alone';

    my $c = client(source => '127.0.8.250');
    forgot($c, 'first@exemple.fr');
    $portal->psql("update portal.attempt set count = 50, next_at = now() + interval '9 min'
        where kind = 'mail_ip' and count = 1");
    my $r = forgot($c, 'second@exemple.fr');
    is $r->status, 429, 'T043 fifty from one client';
    cmp_ok $r->header('retry-after'), '>', 60, 'T043 Retry-After';
    like $r->text, qr/Trop d’essais/, 'T043 in words';
    forget_attempts();

    # the same form twice: one mail
    my $two = new_account()->{email};
    $c = fresh();
    my $page = $c->get('/mot-de-passe/oubli');
    is $c->submit($page, { email => $two })->location, '/mot-de-passe/envoye',
        "T104 time $_" for 1, 2;
    is $portal->psql("select count(*) from portal.outbox where recipient = '$two'"), 1,
        'T104 one mail';
}


### the pages, by their words

{
    my $c = fresh();
    my $links = $c->get('/connexion')->links;
    is $links->{'/mot-de-passe/oubli'}, 'Mot de passe oublié ?', 'the log-in page leads there';
    my $page = $c->get('/mot-de-passe/oubli');
    like $page->title, qr/^Mot de passe oublié/, '« Mot de passe oublié »';
    ok((grep { $_ eq 'Recevoir un lien' } buttons($page)), '« Recevoir un lien »');
    is forgot($c, 'not an address')->status, 422, 'not an address';
    like $c->get('/mot-de-passe/envoye')->text, qr/Si un compte existe à cette adresse/,
        'the answer tells nothing';
}


### the link: opened by scanners, used once, then old

my $person = new_account();
my $link = link_of($person->{email});
like $link, qr{^\Q@{[ $portal->url ]}$LINK\E\?jeton=[\w-]{43}$}, 'T046 the town\'s own origin';
{
    my ($inside) = sign_in_as($person);
    my ($token) = $link =~ /jeton=(.*)/;
    my $scanner = fresh();
    my $state = "select used_at is null and voided_at is null from portal.token k join
        portal.account a on a.id = k.account_id where a.email = '$person->{email}'
        order by k.created_at desc limit 1";

    is $scanner->request($_, $link)->status, 200, "T035 $_" for qw(GET HEAD GET HEAD);
    is $portal->psql($state), 't', 'T035 nothing consumed';
    my $page = $scanner->get($link);
    is $page->header('referrer-policy'), 'same-origin', 'T036 the link goes nowhere else';
    like $page->header('cache-control'), qr/no-store/, 'T036 nor into a cache';
    unlike $page->text, qr/\Q$person->{email}/, 'the address by half only';
    ok((grep { $_ eq 'Enregistrer' } buttons($page)), '« Enregistrer »');

    for my $weak ('', 'court', 'saint-aubin-2026') {
        my $r = $scanner->submit($page, { new_password => $weak });
        is $r->status, 422, "T022 « $weak »";
        like $r->content, qr/id="new_password"[^>]*aria-invalid="true"/, 'T022 beside the field';
        ok $r->form('/mot-de-passe/nouveau'), 'T022 the form again';
    }
    is $portal->psql($state), 't', 'T022 nothing consumed by that';
    is $scanner->post($LINK, { token => $token, new_password => $NEW })->status, 403,
        'T070 not without its page\'s token';

    # purposes are not exchanged
    for my $path ('/inscription/confirmation', '/mon-compte/adresse/confirmation',
        '/mon-compte/adresse/annulation')
    {
        like fresh()->get("$path?jeton=$token")->text, qr/n’est pas reconnu/, "T032 $path";
    }

    # locked out by somebody's guesses, the owner gets in by the link
    my $thief = fresh();
    $thief->submit($thief->get('/connexion'), { email => $person->{email},
        password => "wrong wrong $_" }) for 1 .. 5;
    is try_in($person->{email}, $person->{password})->status, 429, 'T018 locked';

    my $r = $scanner->submit($page, { new_password => $NEW });
    is $r->status, 303, 'the new password' or diag $r->text;
    is $r->location, '/connexion?avis=password', 'T040 to the log-in';
    ok !defined $scanner->cookie('__Host-portal'), 'T040 a mailbox alone opens no session';
    like $scanner->get($r->location)->text,
        qr/Votre mot de passe est changé, et tous vos appareils sont déconnectés/, 'with a word';
    is try_in($person->{email}, $person->{password})->status, 422, 'the old one is void';
    is try_in($person->{email}, $NEW)->status, 303, 'T018 the new one is good at once';
    is $inside->get('/mon-espace')->status, 303, 'T053 sessions have ended';
    is $portal->psql("select count(*) from portal.session s join portal.account a on
        a.id = s.account_id where a.email = '$person->{email}' and ended_at is null"), 1,
        'T053 but the one opened since';
    my $mail = letter($person->{email}, 'password_changed');
    like $mail->{text}, qr/vient d’être changé/, 'a mail says so';
    like $mail->{text}, qr{/mot-de-passe/oubli}, 'and what to do about it';
    like $mail->{html}, qr{href="[^"]*/mot-de-passe/oubli"}, 'in HTML too';

    like $scanner->get($link)->text, qr/a déjà servi.*il ne vous reste qu’à vous connecter/, 'T028 used';
    ($inside) = sign_in_as({ %$person, password => $NEW });
    for (['used', "$link", qr/a déjà servi\. Vous êtes connecté.: il ne vous reste rien à faire\./, ''],
        ['unknown', "$LINK?jeton=rien", qr/n’est pas reconnu/, 'oubli'])
    {
        my ($what, $url, $why, $way) = @$_;
        my $there = $inside->get($url);
        my ($main) = $there->content =~ m{(<main.*</main>)}s;
        like $there->text, $why, "$what, to who is signed in";
        like $main, qr{href="/mon-espace"(?!.*href="/connexion")}s, "$what: leads on, not to the log-in";
        is join(' ', $main =~ m{href="/mot-de-passe/(\w+)"}g), $way, "$what: another link only where it helps";
    }
    for my $path ('/inscription/confirmation', '/mon-compte/adresse/annulation') {
        my ($main) = $inside->get("$path?jeton=rien")->content =~ m{(<main.*</main>)}s;
        like $main, qr{href="/mon-espace"(?!.*href="/connexion")}s, "$path, too";
    }
    $r = $scanner->submit($page, { new_password => 'encore un autre 17 fois' });
    is $r->status, 410, 'T028 once';
    ok $r->links->{'/mot-de-passe/oubli'}, 'T028 and a way to another';
    is $portal->psql("select count(*) from portal.outbox where token_sealed is not null and
        recipient = '$person->{email}'"), 0, 'T036 no token is left in the outbox';
    $person->{password} = $NEW;
}

# two at the same time, on both workers
{
    my $one = new_account();
    my $link = link_of($one->{email});
    my ($token) = $link =~ /jeton=(.*)/;
    my @c = map { fresh() } 1 .. 4;
    my @pages = map { $_->get($link) } @c;
    my @sent = map { $c[$_]->submit($pages[$_], { new_password => "$NEW $_" }, pending => 1) } 0 .. 3;
    my @status = sort map { $_->status } Portal::Pending->pages(@sent);
    is_deeply \@status, [303, 410, 410, 410], 'T028 four at once: one';
    is $portal->psql("select epoch from portal.account where id = $one->{id}"), 2,
        'T028 one new password';
}

# what voids it
{
    my $one = new_account();
    my $link = link_of($one->{email});
    my $newer = link_of($one->{email});
    my $older = fresh()->get($link);
    like $older->text, qr/Un lien plus récent a remplacé celui-ci : ouvrez le dernier/,
        'T031 a newer one';
    unlike $older->text, qr/a expiré/, 'T031 which is no matter of time';
    is fresh()->get($link, headers => { Accept => 'application/json' })->json->{state},
        'replaced', 'T031 JSON';
    $portal->psql("update portal.token set created_at = now() - interval '2 hours',
        expires_at = now() - interval '1 s' where account_id = $one->{id}");
    my $r = fresh()->get($newer);
    like $r->text, qr/a expiré/, 'T029 60 minutes';
    is $r->links->{'/mot-de-passe/oubli'}, 'Recevoir un nouveau lien', 'T029 a new one is offered';

    $link = link_of($one->{email});
    my ($c) = sign_in_as($one);
    is $c->submit($c->get('/mon-compte/mot-de-passe'), { current_password => $one->{password},
        new_password => $NEW })->status, 303, 'a password changed meanwhile';
    like fresh()->get($link)->text, qr/ne sert plus : depuis son envoi, le mot de passe/, 'T031 by that too';

    $link = link_of($one->{email});
    $portal->psql("update portal.account set state = 'closed' where id = $one->{id}");
    unlike fresh()->get($link)->content, qr/name="new_password"/, 'T031 a closed account';
    unlike fresh(town => 'beaulieu')->get("$LINK?" . ($link =~ s/.*\?//r))->content,
        qr/name="new_password"/, 'T064 nor in the other town';
    like fresh()->get("$LINK?jeton=rien")->text, qr/n’est pas reconnu/, 'an unknown link';
    like fresh()->get($LINK)->text, qr/n’est pas reconnu/, 'none at all';
}

# T041: who signed up with somebody's address and never confirmed it
{
    my $mail = 'unconfirmed.owner@exemple.fr';
    my $mac = tool("mac\tsaint-aubin\temail\t$mail");
    my $hash = tool("hash\t-\tle mot du voleur 33");
    $portal->psql("insert into portal.account (tenant, first_name, last_name, email, email_mac,
        password_hash) values (1, 'Lou', 'Vole', '$mail', decode('$mac', 'hex'), '$hash')");
    forgot(fresh(), $mail);
    my $c = fresh();
    my $page = $c->get(letter($mail, 'confirm')->{link});
    is $c->submit($page, { new_password => $NEW })->status, 303,
        'T041 the owner of the mailbox confirms with a password of their own';
    is try_in($mail, 'le mot du voleur 33')->status, 422, 'T041 the other one is void';
}


### as JSON

{
    my $one = new_account();
    forgot(fresh(json => 1), $one->{email});
    my $mail = letter($one->{email}, 'reset');
    my ($token) = $mail->{link} =~ /jeton=(.*)/;
    my $c = fresh(json => 1);
    my $page = $c->get("$LINK?jeton=$token")->json;
    is $page->{state}, 'valid', 'JSON: the link';
    is $page->{email_hint}, substr($one->{email}, 0, 1) . '•••@parents.example', 'JSON: whose';
    my $r = $c->post($LINK, { csrf => $page->{csrf}, token => $token, new_password => 'court' });
    is $r->json->{errors}[0]{code}, 'password_short', 'JSON: refused';
    $r = $c->post($LINK, { csrf => $page->{csrf}, token => $token, new_password => $NEW });
    is $r->status, 200, 'JSON: done' or diag $r->content;
    is $r->json->{location} . ' ' . $r->json->{notice}, '/connexion password', 'JSON: where to go on';
    ok !exists $r->json->{session}, 'JSON: nothing of sessions';
    $r = $c->post($LINK, { csrf => $page->{csrf}, token => $token, new_password => $NEW });
    is $r->status, 410, 'JSON: once';
    is $r->header('content-type'), 'application/problem+json', 'JSON: a problem';
}


### « Changer de mot de passe »

{
    my $one = new_account();
    my ($c, $other) = (sign_in_as($one), sign_in_as($one));
    my $page = $c->get('/mon-compte');
    is $page->links->{'/mon-compte/mot-de-passe'}, 'Changer de mot de passe', 'in « Mon compte »';
    like $page->text, qr/Odile Essai/, 'the name';
    like $page->text, qr/\Q$one->{email}/, 'the address';
    is $c->get('/mon-espace')->links->{'/mon-compte'}, 'Mon compte', 'in the menu';
    is fresh()->get('/mon-compte')->location, '/connexion?suite=%2Fmon-compte', 'for nobody else';

    my $before = $c->cookie('__Host-portal');
    $page = $c->get('/mon-compte/mot-de-passe');
    my $r = $c->submit($page, { current_password => 'not the one of it', new_password => $NEW });
    is $r->status, 422, '6.2.3 not without the current one';
    like $r->content, qr/id="current_password"[^>]*aria-invalid="true"/, 'told beside it';
    is $c->submit($page, { current_password => $one->{password} })->status, 422, 'nor without a new one';
    is $c->submit($page, { current_password => $one->{password}, new_password => $_ })
        ->status, 422, "T022 nor with « $_ »" for 'court', 'saint-aubin-2026', 'odileessai2026';
    is $portal->psql("select epoch from portal.account where id = $one->{id}"), 1, 'nothing changed';

    # beside a new one that cannot be, the current one is neither tried nor counted
    forget_attempts();
    my @told = map { my $r = $c->submit($page, { current_password => $_, new_password => 'court' },
        headers => { Accept => 'application/json' });
        join ' ', map { "$_->{field} $_->{code}" } @{ $r->json->{errors} } }
        'not the one of it', $one->{password};
    is_deeply \@told, [('new_password password_short') x 2], 'too short: the same, right or wrong';
    is $portal->psql("select count(*) from portal.attempt where kind = 'sign_in'"), 0,
        'and no guess';

    $r = $c->submit($c->get('/mon-compte/mot-de-passe'), { current_password => $one->{password},
        new_password => $NEW });
    is $r->location, '/mon-compte?avis=password_changed', 'changed' or diag $r->text;
    isnt $c->cookie('__Host-portal'), $before, 'T053 a new identifier';
    like $c->get($r->location)->text, qr/Votre mot de passe est changé/, 'in words, still inside';
    is $other->get('/mon-espace')->status, 303, 'T053 other sessions have ended';
    my $old = fresh();
    $old->cookie('__Host-portal', $before);
    is $old->get('/mon-espace')->status, 303, 'T053 so has the former identifier';
    like letter($one->{email}, 'password_changed')->{subject}, qr/mot de passe est changé/, 'a mail';
    is try_in($one->{email}, $NEW)->status, 303, 'the new one is good';
    is try_in($one->{email}, $one->{password})->status, 422, 'the old one is not';
    forget_attempts();

    # guesses inside count with those outside
    $page = $c->get('/mon-compte/mot-de-passe');
    my @status = map { $c->submit($page, { current_password => "wrong guess $_ $_",
        new_password => "$NEW $_" }, headers => { 'Idempotency-Key' => "guess-$_" })->status } 1 .. 6;
    is_deeply \@status, [(422) x 5, 429], 'T013 throttled as log-in is';
    is try_in($one->{email}, $NEW)->status, 429, 'T013 by one count';
    forget_attempts();

    # the same form twice: JSON, one change
    my $j = fresh(json => 1);
    $j->cookie('__Host-portal', $c->cookie('__Host-portal'));
    my $csrf = $j->get('/mon-compte/mot-de-passe')->json->{csrf};
    my @h = (headers => { 'Idempotency-Key' => 'twice-1' });
    $r = $j->post('/mon-compte/mot-de-passe', { csrf => $csrf, current_password => $NEW,
        new_password => "$NEW bis" }, @h);
    is $r->json->{location} . ' ' . $r->json->{notice}, '/mon-compte password_changed', 'JSON' or diag $r->content;
    $csrf = $j->get('/mon-compte/mot-de-passe')->json->{csrf};
    $r = $j->post('/mon-compte/mot-de-passe', { csrf => $csrf, current_password => $NEW,
        new_password => "$NEW bis" }, @h);
    is $r->json->{location} . ' ' . $r->json->{notice}, '/mon-compte password_changed', 'T104 the same answer'
        or diag $r->content;
    is $portal->psql("select epoch from portal.account where id = $one->{id}"), 3,
        'T104 one change';
}


# T160: nothing of it in the logs of the database
{
    my $log = slurp($portal->pg->log_file);
    unlike $log, qr/\Q$NEW/, 'T160 no password in the database\'s log';
    unlike $log, qr/\Q@{[ $link =~ s{.*=}{}r ]}/, 'T160 nor a token';
}


sub sign_in_as {
    my ($who) = @_;

    my $c = fresh();
    my $r = sign_in($c, $who);
    die 'no log-in: ', $r->status, "\n" if $r->status != 303;

    return $c;
}

sub try_in {
    my ($email, $password) = @_;

    return sign_in(fresh(), { email => $email, password => $password });
}

done_testing;
