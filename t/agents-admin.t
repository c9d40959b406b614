#!/usr/bin/perl

# Agents' accounts: invited by a mail, enrolled by themselves, their rights given
# and taken by others, and the day the telephone is lost.

use strict;
use warnings;
use utf8;

use Portal::Fault qw(as_json);
use Portal::Pending;
use Portal::Test;

my $portal = portal();
my $page = agent_client(role => 'administrator');
my $admin = as_json($page);
my $second = agent_client(json => 1, as => new_agent(role => 'administrator', name => 'Sylvie Seconde'));
my $serial = 0;

sub row { return scalar $portal->psql($_[0]) }
sub forget { $portal->psql('delete from portal.attempt') }
sub codes { return join ' ', map { "$_->{field}:$_->{code}" } @{ $_[0]->json->{errors} // [] } }
sub state_of { return row("select state || ' ' || role || coalesce(' ' || granted_role, '') from portal.agent where id = $_[0]") }
sub audited { return row("select action || ' ' || outcome from portal.audit where action ~ 'agent' order by id desc limit 1") }

# invites as that administrator: (answer, id, address)
sub invite {
    my ($c, %fields) = @_;

    my $email = sprintf 'invite.%d@mairie.example', ++$serial;
    my $r = json_post($c, '/agents', { first_name => 'Inès', last_name => 'Neuve', role => 'validator',
        email => $email, %fields });
    return ($r, ($r->json->{location} // '') =~ m{^/agents/(\d+)}, $email);
}

sub token_of {
    my ($email) = @_;

    my $mail = letter($email, 'agent_invited');
    my ($origin, $token) = $mail->{text} =~ m{(http\S+)/invitation\?jeton=([\w-]{43})};
    is $origin, $portal->agents_url, 'the link leads to the agents\' host';

    return $token;
}

sub change {
    my ($c, $id, $step, %more) = @_;

    my $doc = $c->get("/agents/$id")->json;
    return json_post($c, "/agents/$id", { step => $step, version => $doc->{version}, %more });
}

# an agent who has followed the link: { email, password, totp_secret, town }
sub enrolled {
    my ($email, $token) = @_;

    my $c = client(agents => 1, json => 1);
    my $r = json_post($c, '/invitation', { token => $token, new_password => 'falaise-mandarine-tricot-58' },
        page => '/connexion');
    is $r->status, 200, 'enrolled' or diag $r->content;

    return { email => $email, password => 'falaise-mandarine-tricot-58', town => 'saint-aubin',
        totp_secret => $r->json->{enrol}[0]{secret}, said => $r->json };
}


### the way in

my ($agent, $id);
{
    my $r = $page->get('/agents');
    is $r->status, 200, 'the list';
    like $r->text, qr/Inviter un agent/, 'with the form of an invitation';
    $r = $page->submit($r, { first_name => 'Inès', last_name => 'Neuve', role => 'validator',
        email => 'ines.neuve@mairie.example' }, form => '/agents');
    is $r->status, 303, 'invited' or diag $r->content;
    ($id) = $r->location =~ m{^/agents/(\d+)\?avis=agent_invited};
    is state_of($id), 'invited validator', 'nobody yet';
    is audited(), 'invite_agent ok', 'the audit knows';
    like $page->get($r->location =~ s/#.*//r)->text, qr/L’invitation est partie.*Dernière connexion Aucune.*Invitation valable jusqu’au/s,
        'and the page says so, and that nobody has logged in';

    is log_in_agent(client(agents => 1), { email => 'ines.neuve@mairie.example', password => '',
        totp_secret => 'A' x 32 })->status, 422, 'who has not enrolled does not log in';
    forget();

    my $token = token_of('ines.neuve@mairie.example');
    my $c = client(agents => 1);
    my $form = $c->get("/invitation?jeton=$token");
    is $form->status, 200, 'the link';
    like $form->text, qr/Bonjour Inès, voici votre invitation/, 'says whose it is, whoever they are';
    unlike $form->content, qr/<svg class="qr"/, 'and no secret: a mail that others read is not enough';
    is row("select totp is null from portal.agent where id = $id"), 't', 'there is none yet';
    for (['trop-court-9xz', qr/de 16 caractères au moins/], ['', qr/de 16 caractères au moins/]) {
        $r = $c->submit($form, { new_password => $_->[0] }, form => '/invitation');
        is $r->status, 422, "a password of @{[length $_->[0]]}: refused";
        like $r->text, $_->[1], 'beside the field';
    }
    $r = $c->submit($form, { new_password => 'falaise-mandarine-tricot-57' }, form => '/invitation');
    is $r->status, 200, 'a password' or diag $r->content;
    like $r->title, qr/^Préparez votre téléphone/, 'then the telephone';
    like $r->content, qr/<svg class="qr" role="img" aria-label="[^"]+" viewBox="0 0 (\d+) \1"/, 'a QR code';
    my ($secret) = $r->content =~ m{<strong class="code-shown">([A-Z2-7]{32})</strong>};
    ok $secret, 'and the same by hand';
    like $r->header('cache-control'), qr/no-store/, 'kept nowhere';
    is state_of($id), 'active validator', 'an agent';
    unlike row("select totp from portal.agent where id = $id"), qr/\Q$secret\E/, 'whose secret is sealed';

    is $c->submit($form, { new_password => 'falaise-mandarine-tricot-57' }, form => '/invitation')->status, 410,
        'the link served once';
    like $c->get("/invitation?jeton=$token")->text, qr/Ce lien a déjà servi.*demandez-lui une nouvelle invitation/,
        'and says so, and what to do for who has not come to an end';
    like $c->get('/invitation?jeton=' . 'x' x 43)->text, qr/n’est pas reconnu/, 'another link is none';

    $agent = { email => 'ines.neuve@mairie.example', password => 'falaise-mandarine-tricot-57',
        town => 'saint-aubin', totp_secret => $secret };
    is log_in_agent(client(agents => 1), $agent, otp => '000000')->status, 422, 'without the code: not in';
    is log_in_agent(client(agents => 1), $agent)->location, '/compte/codes-de-secours',
        'with it: in, and first to what helps when it is lost';
    forget();
}
{
    my ($r, undef, $email) = invite($admin);
    is $r->status, 200, 'another';
    my $token = token_of($email);
    $portal->psql("update portal.agent_token set created_at = now() - interval '25 hours', expires_at = now() - interval '1 hour'
        where used_at is null");
    like client(agents => 1)->get("/invitation?jeton=$token")->text, qr/Ce lien a expiré/, '24 hours, no more';
    is json_post(client(agents => 1, json => 1), '/invitation', { token => $token,
        new_password => 'falaise-mandarine-tricot-58' }, page => '/connexion')->status, 410, 'nor by sending the form';

    is codes((invite($admin, email => uc $agent->{email}))[0]), 'email:agent_known', 'an address once, in whatever case';
    is codes((invite($admin, role => 'maire'))[0]), 'role:choice', 'a role that is one';

    my ($again, $twin, $mail) = invite($admin);
    $token = token_of($mail);
    my @c = map { client(agents => 1, json => 1) } 1, 2;
    my @sent = map { $_->post('/invitation', { csrf => $_->get('/connexion')->json->{csrf}, token => $token,
        new_password => 'falaise-mandarine-tricot-58' }, pending => 1) } @c;
    is join(' ', sort map { $_->status } Portal::Pending->pages(@sent)), '200 410', 'of two who bring a link, one enrols';
    is state_of($twin), 'active validator', 'once';
}


### who may

{
    my %c = (reader => scalar agent_client(json => 1, as => new_agent(role => 'reader')), validator => scalar agent_client(json => 1));
    for my $role (sort keys %c) {
        is $c{$role}->get($_)->status, 403, "T202 $role: $_" for '/agents', "/agents/$id";
        like $c{$role}->get('/agents')->json->{detail}, qr/^Votre rôle, /, "$role: the words are for agents";
        is json_post($c{$role}, '/agents', { first_name => 'A', last_name => 'B', email => 'a@b.example', role => 'reader' },
            page => '/session')->status, 403, "T202 $role invites nobody";
        is json_post($c{$role}, "/agents/$id", { step => 'role', role => 'administrator', version => 'x' },
            page => '/session')->status, 403, "T202 $role gives no role";
    }
    my ($me) = map { $_->{id} } grep { $_->{me} } @{ $admin->get('/agents')->json->{people} };
    for my $step (qw(role disable invite)) {
        my $r = change($admin, $me, $step, role => 'reader');
        is $r->status, 403, "T202 nobody does that to themselves: $step";
        is codes($r), ':own_rights', 'and is told why';
    }
    is agent_client(json => 1, role => 'administrator', town => 'beaulieu')->get("/agents/$id")->status, 404,
        'another town\'s agent is nobody';
    unlike $admin->get('/agents')->content . $admin->get("/agents/$id")->content, qr/argon2|totp|seal/, 'no secret in a list';
}


### two make an administrator

{
    my $proposed = change($admin, $id, 'role', role => 'administrator');
    is $proposed->status, 200, '2.3.5 one proposes';
    is $proposed->json->{notice}, 'agent_proposed', '2.3.5 and is told that it is a proposal';
    is state_of($id), 'active validator administrator', '2.3.5 and nothing is given';
    is $admin->get("/agents/$id")->json->{confirms}, 0, '2.3.5 who proposes does not confirm';
    my $r = change($admin, $id, 'confirm');
    is $r->status, 403, '2.3.5 nor by sending it';
    is codes($r), ':second_needed', '2.3.5 a second one has to';
    like $page->get("/agents/$id")->text, qr/Un autre administrateur doit confirmer/, 'in words';
    is $admin->get("/agents/$id")->json->{others}, 1, 'there is somebody who can';

    my $alone = agent_client(role => 'administrator', town => 'beaulieu');
    my $lone = agent_client(json => 1, role => 'administrator', town => 'beaulieu');
    my ($asked, $new_there) = invite($lone);
    is $asked->status, 200, 'another town invites';
    change($lone, $new_there, 'role', role => 'administrator');
    is $lone->get("/agents/$new_there")->json->{others}, 0, 'where there is nobody else';
    like $alone->get("/agents/$new_there")->text, qr/demandez à l’hébergeur du portail/, 'the page says who can help';
    is change($lone, $new_there, 'deny')->status, 200, 'it is taken back';

    change($admin, $id, 'disable');
    is state_of($id), 'disabled validator', 'who is disabled is proposed for nothing any more';
    change($admin, $id, 'enable');
    change($admin, $id, 'role', role => 'administrator');
    is state_of($id), 'active validator administrator', 'until somebody proposes it again';

    my $c = agent_client(as => $agent, json => 1);
    is change($c, $id, 'confirm')->status, 403, '2.3.5 nor the agent'
        if $c->get("/agents/$id")->status == 200;
    is json_post($c, "/agents/$id", { step => 'confirm', version => 'x' }, page => '/session')->status, 403, '2.3.5 nor whom it is given';

    is change($second, $id, 'confirm')->status, 200, '2.3.5 the second does';
    is state_of($id), 'active administrator', '2.3.5 then it is given';
    is $c->get('/')->status, 401, 'T059 which ends the sessions of before';
    is change($admin, $id, 'role', role => 'validator')->status, 200, 'taken by one';
    is state_of($id), 'active validator', 'at once';
    change($admin, $id, 'role', role => 'administrator');
    is change($second, $id, 'deny')->status, 200, 'a second one may refuse';
    is state_of($id), 'active validator', 'and nothing is left of it';
    is change($second, $id, 'confirm')->status, 409, 'to be confirmed';

    my ($invited, $new) = invite($admin, role => 'administrator');
    is state_of($new), 'invited reader administrator', 'who is invited as one is none yet';

    # the database says so as well, whatever a function does
    my ($me) = map { $_->{id} } grep { $_->{me} } @{ $admin->get('/agents')->json->{people} };
    for (["role = 'administrator'", 'administrator'], ["role = 'administrator', granted_role = null, granted_by = null", 'administrator'],
        ["state = 'disabled'", 'reader'], ["role = 'validator'", 'validator'])
    {
        my ($set, $role) = @$_;
        my $said = $portal->psql("begin; set local portal.tenant = '1'; set local portal.agent = '$me'; set local portal.role = '$role';
            set local role portal_api; do \$\$ begin update portal.agent set $set where id = $new;
            raise notice 'done'; exception when insufficient_privilege then perform set_config('t.said', 'refused', false); end \$\$;
            select current_setting('t.said', true); rollback");
        like $said, qr/refused/, "2.3.5 refused by the table: $set as $role";
    }
}


### taken away, and given back

{
    my $c = agent_client(as => $agent, json => 1);
    is $c->get('/')->status, 200, 'T059 an agent';
    my $doc = $admin->get("/agents/$id")->json;
    is change($admin, $id, 'disable')->status, 200, 'T059 disabled';
    is $c->get('/')->status, 401, 'T059 with the next request';
    is log_in_agent(client(agents => 1), $agent)->status, 422, 'T059 and lets nobody in';
    forget();
    is json_post($admin, "/agents/$id", { step => 'enable', version => $doc->{version} })->status, 409, 'over what was read before: 409';
    is json_post($admin, "/agents/$id", { step => 'enable' })->status, 428, 'over nothing: 428';
    is change($admin, $id, 'enable')->status, 200, 'enabled';
    is log_in_agent(client(agents => 1), $agent)->status, 303, 'as before';
    is change($admin, $id, 'role')->status, 422, 'a role has to be one';
    is json_post($admin, '/agents/999999', { step => 'disable', version => 'x' }, page => '/session')->status, 404, 'nobody';

    is change($admin, $id, 'invite')->status, 200, 'all is lost: invited again';
    is log_in_agent(client(agents => 1), $agent)->status, 422, 'what was is void';
    is change($admin, $id, 'disable')->status . change($admin, $id, 'enable')->status, '200200', 'disabled and enabled before that was followed';
    forget();
    is log_in_agent(client(agents => 1), $agent)->status, 422, 'it is void still';
    is change($admin, $id, 'invite')->status, 200, 'invited once more';
    forget();
    $agent = enrolled($agent->{email}, token_of($agent->{email}));
    is log_in_agent(client(agents => 1), $agent)->status, 303, 'and chosen anew';

    # two administrators who disable each other: one is left
    my @pair = map { new_agent(role => 'administrator') } 1, 2;
    my @c = map { scalar agent_client(json => 1, as => $_) } @pair;
    my @id = map { row("select id from portal.agent where email = '$_->{email}'") } @pair;
    my @sent = map { my $doc = $c[$_]->get("/agents/$id[1 - $_]")->json; $c[$_]->post("/agents/$id[1 - $_]",
        { csrf => $doc->{csrf}, version => $doc->{version}, step => 'disable' }, pending => 1) } 0, 1;
    my @status = map { $_->status } Portal::Pending->pages(@sent);
    is scalar(grep { $_ == 200 } @status), 1, "of two who disable each other one is left (@status)";
    forget();
}


### codes for the day the telephone is lost

{
    my $c = agent_client(as => $agent);
    my $json = as_json($c);
    is $json->get('/compte/codes-de-secours')->json->{recovery_left}, 0, 'T208 none at first';
    my $r = $c->submit($c->get('/compte/codes-de-secours'), {}, form => '/compte/codes-de-secours');
    my @code = $r->content =~ m{<strong class="code-shown">([0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4})</strong>}g;
    is scalar @code, 10, 'T208 ten codes';
    unlike $c->get('/compte/codes-de-secours')->content, qr/code-shown/, 'T208 shown once';
    is $json->get('/compte')->json->{recovery_left}, 10, 'T208 and counted';
    is log_in_agent(client(agents => 1), $agent)->location, '/', 'T208 who has them goes on to the requests';
    my $stored = join ' ', map { "@$_" } $portal->psql('select r::text from portal.agent_recovery r');
    unlike $stored, qr/$code[0]/, 'T208 kept as what they are found by';

    my $abonne = free_code()->{code};
    my $lost = sub { my ($code, %more) = @_; my $c = client(agents => 1, json => 1, source => '127.0.5.1');
        return json_post($c, '/connexion/secours', { email => $agent->{email}, password => $agent->{password},
            recovery_code => $code, %more }) };
    is codes($lost->($code[0], password => 'une autre longue phrase')), ':agent_recover_failed', 'T208 a code without the password';
    is codes($lost->($abonne)), ':agent_recover_failed', 'T208 a password with another code, a code abonné';
    is codes($lost->($code[0], email => 'personne@mairie.example')), ':agent_recover_failed', 'T208 of nobody';
    is $json->get('/')->status, 200, 'T208 nothing is done by that';

    my $html = client(agents => 1, source => '127.0.5.3');
    $r = $html->submit($html->get('/connexion/secours'), { email => $agent->{email}, password => $agent->{password},
        recovery_code => lc $code[0] }, form => '/connexion/secours');
    is $r->status, 200, 'T208 both' or diag $r->content;
    like $r->content, qr/<svg class="qr"/, 'T208 another secret for another telephone';
    my ($secret) = $r->content =~ m{<strong class="code-shown">([A-Z2-7]{32})</strong>};
    isnt $secret, $agent->{totp_secret}, 'T208 not the one of before';
    ok !(grep { /^__Host-agent=./ } $r->headers('set-cookie')), 'T208 but no session';
    is $json->get('/')->status, 401, 'T208 and those of before end';
    like letter($agent->{email}, 'agent_recovered')->{text}, qr/Un autre téléphone vient d’être enregistré/, 'T208 a mail says so';
    is log_in_agent(client(agents => 1, source => '127.0.5.2'), $agent)->status, 422, 'T208 the old telephone is worth nothing';
    $agent->{totp_secret} = $secret;
    forget();
    is log_in_agent(client(agents => 1), $agent)->status, 303, 'T208 the new one is';
    is codes($lost->($code[0])), ':agent_recover_failed', 'T208 a code serves once';
    is agent_client(as => $agent, json => 1)->get('/compte')->json->{recovery_left}, 9, 'T208 nine are left';

    forget();
    is join(' ', map { $lost->($abonne)->status } 1 .. 6), '422 422 422 422 422 429', 'T208 guesses wait';
    is $lost->($code[1])->status, 429, 'T208 the right code as well';
    forget();
    my $b = as_json(agent_client(as => $agent));
    json_post($b, '/compte/codes-de-secours', {});
    is codes($lost->($code[1])), ':agent_recover_failed', 'T208 new codes take the place of all';
    forget();
}

done_testing;
