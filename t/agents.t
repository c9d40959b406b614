#!/usr/bin/perl

# Agents of the town: a host of their own, a password and a code to log in with,
# and nothing of one side that is worth anything at the other.

use strict;
use warnings;
use utf8;

use File::Temp qw(tempdir);
use Portal::Fault qw(as_json twin);
use Portal::Place qw(slurp spew);
use Portal::Test;

my $portal = portal(
    agents => <<"END",
        location = /t/file     { portal_allow agent; alias /etc/hostname; add_header X-Who "\$portal_agent/\$portal_account/\$portal_family/\$portal_roles/\$portal_gate"; }
        location = /t/decide   { portal_allow agent; portal_get t_decide agent_start; }
        location = /t/open     { portal_allow public; portal_get agent_start agent_start; }
        location = /t/citizens { portal_allow public; portal_page sign_in; portal_verify sign_in_lookup sign_in connexion; }
        location = /t/once     { portal_allow agent; portal_page sign_in; portal_post t_once t_once; }
END
    server => <<"END",
        location = /t/open   { portal_allow public; portal_get agent_start agent_start; }
        location = /t/agents { portal_allow public; portal_page agent_sign_in; portal_verify agent_sign_in_lookup agent_sign_in connexion-agent; }
END
    directives => { portal_forms => forms() },
);

# what others will build on top of it
$portal->psql(q{
    create function portal.t_decide(input jsonb) returns json language plpgsql
        security definer set search_path = portal, pg_temp as $$
    begin
        perform require_agent('validator', 'administrator');
        return agent_start(input);
    end $$;
    create table portal.t_done (n int);
    create function portal.t_once(input jsonb) returns json language plpgsql
        security definer set search_path = portal, pg_temp as $$
    declare v_again json := repeated(input);
    begin
        perform require_agent();
        if v_again is not null then return v_again; end if;
        insert into t_done values (1);
        return done(input, moved('/'));
    end $$;
    alter function portal.t_decide(jsonb) owner to portal_api;
    alter function portal.t_once(jsonb) owner to portal_api;
    grant insert on portal.t_done to portal_api;
    grant execute on function portal.t_decide(jsonb), portal.t_once(jsonb) to portal_web});

# conf.d's, and one of this test
sub forms {
    my $dir = tempdir(CLEANUP => 1);

    spew("$dir/" . s{.*/}{}r, slurp($_), 0644)
        for glob top() . '/conf.d/portal/forms/*.form';
    spew("$dir/t_once.form", "field note text\nidempotent\n", 0644);

    return $dir;
}

sub forget_attempts { $portal->psql('delete from portal.attempt') }

sub mac_of {
    my ($c, $town) = @_;

    return tool(join "\t", 'mac', $town // 'saint-aubin', 'agent',
        $c->cookie('__Host-agent'));
}

# what may differ between two answers, taken out
sub masked {
    my ($r) = @_;

    return $r->content =~ s/name="csrf" value="[^"]*"/CSRF/gr
        =~ s/name="key" value="[^"]*"/KEY/gr =~ s/"instance":"[^"]*"/REQUEST/gr
        =~ s/(value=")[^"@]*@[^"]*"/${1}EMAIL"/gr;
}

sub names { join ' ', map { $_->[0] } @{ $_[0]{list} } }

# rows added to these tables
sub added {
    my ($code, @tables) = @_;

    my %before = split ' ', counted(@tables);
    my $r = $code->();
    my %after = split ' ', counted(@tables);

    return ($r, join ' ', map { $_ . '+' . ($after{$_} - $before{$_}) } sort keys %after);
}

my $jeanne = agent('validator');
my $paul = agent('administrator');


### the host

{
    my $c = client(agents => 1);
    my $r = $c->get('/');

    is $r->status, 303, 'nobody is let in';
    is $r->location, '/connexion?suite=%2F', 'but led to the log-in';
    is client(agents => 1, json => 1)->get('/')->status, 401, 'a program is told';

    my $page = $c->get('/connexion');
    is $page->status, 200, 'the log-in';
    like $page->title, qr/^Connexion des agents – Espace agents Saint-Aubin/, 'says whose it is';
    like $page->text, qr/Réservé aux agents/, 'and so does its head';
    like $page->content, qr/<input id="otp" (?=[^>]*type="text")(?=[^>]*inputmode="numeric")[^>]*autocomplete="one-time-code"/,
        'the code\'s field is one for browsers to know';
    unlike $page->content, qr{href="/(?:inscription|mot-de-passe|aide|mon-espace|famille)},
        'nothing there leads to a page that is not';
    is $c->get($_)->status, 404, "$_ is not there"
        for qw(/inscription /mon-espace /famille /mot-de-passe/oubli /mes-donnees);
    like $c->get('/famille')->text, qr/Espace agents/, 'an error looks like the rest';
    is client()->get('/connexion')->title =~ /agents/ ? 1 : 0, 0, 'the families\' log-in is another';
    is $c->submit($c->get('/connexion'), { lang => 'en' }, form => '/langue')->status, 303,
        'another language';
    like $c->get('/connexion')->text, qr/Staff sign-in/, 'is kept';
}


### logging in

for my $json (0, 1) {
    my $as = $json ? 'JSON' : 'HTML';
    my $c = client(agents => 1, json => $json);
    my ($r, $rows) = added(sub { log_in_agent($c, $jeanne) },
        qw(agent_session session audit));

    is $r->status, $json ? 200 : 303, "$as: in" or diag $r->content;
    is $rows, 'agent_session+1 audit+1 session+0', "$as: a session of agents, and the audit";
    my ($cookie) = grep { /^__Host-agent=/ } $r->headers('set-cookie');
    like $cookie, qr{^__Host-agent=[\w-]{43}; Path=/; Secure; HttpOnly; SameSite=Strict$},
        "$as: the cookie";
    ok !(grep { /^__Host-portal/ } $r->headers('set-cookie')), "$as: and no other session's";
    unlike $r->content, qr/\Q$jeanne->{totp_secret}\E|argon2|otp_step/, "$as: no secret";
}
{
    my $c = client(agents => 1);
    my $page = $c->get('/connexion?suite=%2Fsession');
    portal()->psql("set session_replication_role = replica; update portal.agent set totp_step = 0");
    my $r = $c->submit($page, { email => uc $jeanne->{email}, password => $jeanne->{password},
        otp => otp($jeanne->{totp_secret}) =~ s/^(...)/ $1 /r }, form => '/connexion');
    is $r->location, '/session', 'to the page that was asked for; spaces in the code are no matter';
    is_deeply [map { $_->[0] } $portal->psql("select agent_id || outcome || coalesce(account_id, 0)
        from portal.audit where action = 'agent_sign_in' order by id desc limit 1")],
        [$portal->psql("select id from portal.agent where email = '$jeanne->{email}'") . 'ok0'],
        'the audit names the agent';
    $c->cookie('__Host-agent', undef);
    $page = $c->submit($c->get('/connexion'), { email => '', password => '', otp => '12 34' },
        form => '/connexion');
    is $page->status, 422, 'a form not filled in';
    like $page->text, qr/Saisissez les 6 chiffres du code, par exemple 123 456/, 'and what is wrong with it';
    unlike $page->content, qr/12 34"/, 'a code is not shown again';
}


### what is refused, and looks the same

for my $json (0, 1) {
    my $as = $json ? 'JSON' : 'HTML';
    my (%got, %rows);

    forget_attempts();
    my %case = (
        code     => { otp => sprintf '%06d', (otp($jeanne->{totp_secret}) + 1) % 1_000_000 },
        password => { password => 'une autre longue phrase' },
        unknown  => { email => 'personne@saint-aubin.example' },
    );

    for my $case (sort keys %case) {
        my $c = client(agents => 1, json => $json);
        ($got{$case}, $rows{$case}) = added(sub { log_in_agent($c, { %$jeanne, %{ $case{$case} } },
            otp => $case{$case}{otp}) }, qw(agent_session agent_device audit attempt));
        is $got{$case}->status, 422, "T203 $as, wrong $case: refused";
        ok !$c->cookie('__Host-agent'), "T203 $as, wrong $case: no session";
        ok !(grep { /^__Host-(?:agent|device)/ } $got{$case}->headers('set-cookie')),
            "T203 $as, wrong $case: no cookie";
        forget_attempts();
    }
    for my $case (qw(password unknown)) {
        is masked($got{$case}), masked($got{code}), "$as, wrong $case: the same bytes";
        is names($got{$case}), names($got{code}), "$as, wrong $case: the same headers";
        is $rows{$case}, $rows{code}, "$as, wrong $case: the same rows";
    }
}
{
    my $c = client(agents => 1, json => 1);
    for my $left_out (qw(otp password)) {
        my %fields = (email => $jeanne->{email}, password => $jeanne->{password},
            otp => otp($jeanne->{totp_secret}));
        delete $fields{$left_out};
        is json_post($c, '/connexion', \%fields)->status, 422, "T203 no $left_out: refused";
    }
    for my $value (undef, 123456, ['123456'], { otp => 1 }, '', JSON::PP::true(), '12345６') {
        my $r = json_post($c, '/connexion', { email => $jeanne->{email},
            password => $jeanne->{password}, otp => $value });
        is $r->status, 422, 'T203 a code of another kind: refused';
    }
    ok !$c->cookie('__Host-agent'), 'T203 no session of all that';
    forget_attempts();
}


### a code is good once

{
    my $code = otp($jeanne->{totp_secret});
    my $first = log_in_agent(client(agents => 1), $jeanne, otp => $code);
    is $first->status, 303, 'a code';
    my $again = log_in_agent(client(agents => 1), $jeanne, otp => $code, fresh => 0);
    is $again->status, 422, 'the same again is refused';
    is log_in_agent(client(agents => 1), $jeanne, otp => otp($jeanne->{totp_secret}, -1), fresh => 0)->status,
        422, 'and one of before it';
    is log_in_agent(client(agents => 1), $jeanne, otp => otp($jeanne->{totp_secret}, 1), fresh => 0)->status,
        303, 'the next one is another';
    is log_in_agent(client(agents => 1), $jeanne, otp => otp($jeanne->{totp_secret}, $_))->status, 422,
        "a code of $_ steps away is none" for -3, 3;
    forget_attempts();
}
for (1 .. 4) {
    my @c = map { client(agents => 1) } 1, 2;
    my @pages = map { $_->get('/connexion') } @c;
    $portal->psql("set session_replication_role = replica; update portal.agent set totp_step = 0");
    my %fields = (email => $jeanne->{email}, password => $jeanne->{password},
        otp => otp($jeanne->{totp_secret}));
    my @sent = map { my $form = $pages[$_]->form('/connexion');
        $c[$_]->post('/connexion', [@{ $form->{fields} }[0, 1], %fields], pending => 1) } 0, 1;
    is join(' ', sort map { $_->status } Portal::Pending->pages(@sent)), '303 422',
        'of two that bring it at once, one is let in';
    forget_attempts();
}


### guesses

{
    my $known = client(agents => 1, source => '127.0.4.1');
    log_in_agent($known, $jeanne);
    my $c = client(agents => 1, source => '127.0.4.2');
    my @status = map { log_in_agent($c, $jeanne, otp => "00000$_")->status } 1 .. 6;
    is "@status", '422 422 422 422 422 429', 'five guesses of a code, then a wait';
    my $r = log_in_agent(client(agents => 1, source => '127.0.4.3'), $jeanne);
    is $r->status, 429, 'for the right one as well, wherever it comes from';
    cmp_ok $r->header('retry-after'), '>', 30, 'and it says how long';
    is log_in_agent($known, $jeanne)->status, 303, 'a device that the agent has used does not wait';
    is log_in_agent(client(agents => 1, source => '127.0.4.4'), $paul)->status, 303, 'nor another agent';

    my @ghost = map { log_in_agent($c, { %$jeanne, email => 'fantome@saint-aubin.example' })->status } 1 .. 6;
    is "@ghost", '422 422 422 422 422 429', 'an agent who is none: the same';
    is sign_in(client(), { %{ account(qr/couple/) }, email => $jeanne->{email} })->status, 422,
        'a citizen with that address is counted apart';
    forget_attempts();
}


### T200: one side's session is none at the other

{
    my ($agent) = agent_client();
    my $citizen = client();
    is sign_in($citizen, account(qr/couple/))->status, 303, 'a citizen';
    my %value = (agent => $agent->cookie('__Host-agent'), portal => $citizen->cookie('__Host-portal'));

    for my $name (qw(agent portal)) {
        for my $whose (qw(agent portal)) {
            my ($page, $json) = map { client(agents => 1, json => $_) } 0, 1;
            $_->cookie("__Host-$name", $value{$whose}) for $page, $json;
            my $mine = $name eq 'agent' && $whose eq 'agent';

            is $json->get('/')->status, $mine ? 200 : 401, "T200 agents' host: $whose\'s as __Host-$name";
            is $page->get('/t/file')->status, $mine ? 200 : 303, "T200 and of a file: $whose\'s as __Host-$name";

            ($page, $json) = map { client(json => $_) } 0, 1;
            $_->cookie("__Host-$name", $value{$whose}) for $page, $json;
            $mine = $name eq 'portal' && $whose eq 'portal';

            is $json->get('/mon-espace')->status, $mine ? 200 : 401,
                "T200 families' host: $whose\'s as __Host-$name";
            is $page->get('/famille')->status, $mine ? 200 : 303,
                "T200 and of the file: $whose\'s as __Host-$name";
        }
    }

    # a record of Redis under the other's key, with its last use
    my $mine = mac_of($agent);
    my $theirs = tool("mac\tsaint-aubin\tsession\t$value{portal}");
    isnt $mine, tool("mac\tsaint-aubin\tsession\t$value{agent}"), 'T200 the MACs have keys of their own';
    $portal->redis_cli('COPY', "sess:$theirs", "sess:$mine", 'REPLACE');
    my $r = wait_for(5, sub { client(agents => 1, json => 1)->get('/', headers =>
        { Cookie => "__Host-agent=$value{agent}" })->status == 401 });
    ok $r, 'T200 a citizen\'s record in an agent\'s place does not open';

    # a function of the other side in a location of this one
    is as_json($citizen)->get('/t/open')->status, 403, 'T200 a function for agents refuses a citizen';
    is client(json => 1)->get('/t/open')->status, 403, 'T200 and nobody';
    is client(json => 1, agents => 1)->get('/t/open')->status, 403, 'T200 at the agents\' host too';

    my $c = client(agents => 1);
    my $in = $c->submit($c->get('/t/citizens'), { email => account(qr/couple/)->{email},
        password => account(qr/couple/)->{password} }, form => '/connexion', );
    is $in->status, 422, 'T200 the log-in of agents lets no citizen in';
    my ($form) = $c->get('/t/citizens')->form('/connexion');
    $in = $c->post('/t/citizens', [@{ $form->{fields} }[0, 1], email => account(qr/couple/)->{email},
        password => account(qr/couple/)->{password}]);
    is $in->status, 500, 'T200 nor does that of citizens, at the agents\' host';
    ok !(grep { /^__Host-(?:agent|portal)=./ } $in->headers('set-cookie')), 'T200 no session of it';

    $c = client();
    ($form) = $c->get('/t/agents')->form('/connexion');
    $portal->psql("set session_replication_role = replica; update portal.agent set totp_step = 0");
    $in = $c->post('/t/agents', [@{ $form->{fields} }[0, 1], email => $jeanne->{email},
        password => $jeanne->{password}, otp => otp($jeanne->{totp_secret})]);
    is $in->status, 500, 'T200 nor that of agents an agent, at the families\'';
    ok !(grep { /^__Host-(?:agent|portal)=./ } $in->headers('set-cookie')), 'T200 no session of it';
    forget_attempts();
}


### roles

{
    my $reader = new_agent(role => 'reader');
    my %c = (validator => scalar agent_client(json => 1), administrator => scalar
        agent_client(json => 1, role => 'administrator'), reader => scalar agent_client(json => 1, as => $reader));

    for my $role (sort keys %c) {
        is $c{$role}->get('/compte')->json->{agent}{role}, $role, "$role: it is what it is";
        is $c{$role}->get('/t/decide')->status, $role eq 'reader' ? 403 : 200, "$role: may it decide";
        is_deeply $c{$role}->get('/session')->json->{roles}, ['agent', $role], "$role: and says so";
        like $c{$role}->get('/t/file')->header('x-who'), qr{^\d+///agent,$role/session$},
            "$role: what an upstream is told";
    }
    like twin($c{validator}, json => 0)->get('/compte')->text, qr/Rôle Traitement des demandes/, 'in words';
}


### T059: a right that is taken away

for my $change (["disabled", "state = 'disabled'"], ['of another role', "role = 'reader'"],
    ['with another address', "email = 'autre\@mairie.example', email_mac = sha256('x')"])
{
    my ($what, $set) = @$change;
    my $agent = new_agent();
    my $page = agent_client(as => $agent);
    my $json = agent_client(as => $agent, json => 1);
    my $form = $page->get('/session');

    is $json->get('/')->status, 200, "T059 $what: before";
    is $json->get('/t/file')->status, 200, "T059 $what: and where nginx alone decides" for 1, 2;
    $portal->psql("update portal.agent set $set where email = '$agent->{email}'");
    my $first = $what eq 'disabled' ? '/t/file' : '/';
    is $json->get($first)->status, 401, "T059 $what: the next request is refused, $first";
    is $json->get($_)->status, 401, "T059 $what: and others" for qw(/t/file /compte);
    my $posted = $page->submit($form, {}, form => 'prolongation');
    is $posted->status, 401, "T059 $what: so is a form";
    like $posted->title, qr/^Connexion des agents/, "T059 $what: with the agents' log-in";
    is $page->get('/')->status, 303, "T059 $what: and a page";
}
{
    my $agent = new_agent();
    my $c = agent_client(as => $agent, json => 1);
    $portal->psql("update portal.agent set state = 'disabled' where email = '$agent->{email}'");
    is log_in_agent(client(agents => 1), $agent)->status, 422, 'who is disabled may not log in';
    forget_attempts();

    my $new = new_agent(email => $agent->{email}, password => 'une tout autre phrase 39');
    isnt $new->{totp_secret}, $agent->{totp_secret}, 'the operator gives another secret';
    is $c->get('/')->status, 401, 'which ends the sessions';
    is log_in_agent(client(agents => 1), $agent)->status, 422, 'the old password and code are void';
    forget_attempts();
    is log_in_agent(client(agents => 1), { %$new, password => $agent->{password} })->status, 422,
        'each for itself';
    is log_in_agent(client(agents => 1), $new)->status, 303, 'the new ones are good';
    forget_attempts();

    is new_agent(password => 'quinze lettres!'), undef, 'a password of 15 characters makes no agent';
    ok new_agent(end => ''), 'one without a line end does';
    is new_agent(role => 'maire'), undef, 'nor does another role';
    is new_agent(town => 'ailleurs'), undef, 'nor a town that is none';
    like $new->{uri}, qr{^otpauth://totp/saint-aubin:\Q$new->{email}\E\?secret=$new->{totp_secret}&issuer=saint-aubin$},
        'what an authenticator scans';
}


### T209: a secret in another's row

{
    my ($x, $y) = (new_agent(), new_agent());
    my $c = agent_client(as => $x);
    $portal->psql("set session_replication_role = replica; update portal.agent set totp =
        (select totp from portal.agent where email = '$x->{email}') where email = '$y->{email}'");
    is log_in_agent(client(agents => 1), { %$y, totp_secret => $_->{totp_secret} })->status, 422,
        'T209 a secret that was copied opens nothing' for $x, $y;
    like slurp($portal->nginx->error_log), qr/portal: an agent's secret does not open/, 'T209 and is told';
    is log_in_agent(client(agents => 1), $x)->status, 303, 'T209 the first still does';
    forget_attempts();
}


### T205: what no agent can do

is_deeply [map { $_->[0] } $portal->psql(q{
    select p.proname from pg_proc p
     where p.pronamespace = 'portal'::regnamespace
       and p.prosrc ~ 'require_agent|my_agent'
       and p.prosrc ~ 'update account|insert into account|into token|update token'
     order by 1})], [], 'T205 no function for agents touches a person\'s password, address or links';
is_deeply [map { $_->[0] } $portal->psql(q{
    select p.proname from pg_proc p
     where p.pronamespace = 'portal'::regnamespace
       and (p.prosrc ~ 'insert into agent as|insert into agent \(')
       and has_function_privilege('portal_web', p.oid, 'execute')})], ['invite_agent'],
    'an invitation alone makes an agent';
is $portal->psql("select has_column_privilege('portal_api', 'portal.agent', 'password_hash', 'insert')
    or has_column_privilege('portal_api', 'portal.agent', 'totp', 'insert')
    or has_column_privilege('portal_api', 'portal.agent', 'email_mac', 'update')"), 'f',
    'one without a password or secret, and nobody takes another\'s address';


### how long it lasts

{
    my ($c) = agent_client(json => 1);
    my $s = $c->get('/session')->json;
    is $s->{limits}{idle}, 900, 'fifteen minutes without a use';
    my $left = $portal->psql("select round(extract(epoch from absolute_until - opened_at))
        from portal.agent_session order by opened_at desc limit 1");
    is $left, 36000, 'ten hours in any case';
    like twin($c, json => 0)->get('/session')->text, qr/après 15 minutes sans activité/, 'in words';

    my $mac = mac_of($c);
    $portal->redis_cli('SET', "seen:$mac", time - 850, 'EX', 110);
    cmp_ok $c->get('/session')->json->{limits}{left}, '<=', 110, 'asking is no use';
    my $r = json_post($c, '/session/prolongation', {}, page => '/session');
    cmp_ok $r->json->{limits}{left}, '>', 890, '« Prolonger » is';
    $portal->redis_cli('DEL', "seen:$mac");
    $portal->redis_cli('DEL', "sess:$mac");
    ok wait_for(5, sub { $c->get('/')->status == 401 }), 'idle for too long';

    $c = agent_client(json => 1);
    $portal->psql("update portal.agent_session set opened_at = opened_at - interval '11 hours',
        absolute_until = now() - interval '1 second' where ended_at is null");
    is $c->get('/')->status, 401, 'over after ten hours';

    $portal->psql("update portal.town set agent_idle = 120, agent_absolute = 600 where slug = 'beaulieu'");
    $c = agent_client(json => 1, town => 'beaulieu');
    is $c->get('/session')->json->{limits}{idle}, 120, 'a setting of the town';
}


### so many at a time

{
    my $agent = new_agent();
    my $first = agent_client(as => $agent, json => 1);
    is $first->get('/t/file')->status, 200, '7.1.2 the first of them';
    my @more = map { scalar agent_client(as => $agent, json => 1) } 1 .. 10;
    is $first->get('/compte')->status, 401, '7.1.2 ends when there are ten others';
    is $first->get('/t/file')->status, 401, '7.1.2 which nginx is told';
    is $_->get('/compte')->status, 200, '7.1.2 they do not' for @more[0, 9];
}


### T064: another town

{
    my ($here, $there) = (agent_client(json => 1), agent_client(json => 1, town => 'beaulieu'));
    my $c = client(agents => 1, json => 1, town => 'beaulieu');
    $c->cookie('__Host-agent', $here->cookie('__Host-agent'));
    is $c->get('/')->status, 401, 'T064 an agent of one town is nobody in another';
    is log_in_agent(client(agents => 1, town => 'beaulieu'), $jeanne)->status, 422, 'T064 nor logs in there';
    is $here->get('/')->status, 200, 'T064 but is who they are at home';
    forget_attempts();
}


### where a form comes from

{
    my $c = agent_client(json => 1);
    my $csrf = $c->get('/session')->json->{csrf};
    my $send = sub { $c->post('/session/prolongation', { csrf => $csrf }, headers => { @_ })->status };

    is $send->('Sec-Fetch-Site' => '', Origin => $portal->agents_url), 200, 'its own origin';
    is $send->('Sec-Fetch-Site' => '', Origin => $portal->url), 403, 'the families\' pages are another\'s';
    is $send->('Sec-Fetch-Site' => 'same-site', Origin => $portal->url), 403, 'in the browser\'s words too';
    is $send->('Sec-Fetch-Site' => '', Origin => $portal->agents_url('beaulieu')), 403, 'and another town\'s';
    is client()->post('/connexion', {}, headers => { 'Sec-Fetch-Site' => '',
        Origin => $portal->agents_url })->status, 403, 'and the other way round';
    is $c->post('/session/prolongation', { csrf => client(json => 1)->get('/session')->json->{csrf} })->status,
        403, 'a token of the other host is none';
}


### a form counts once

{
    my $c = agent_client(json => 1);
    my $csrf = $c->get('/session')->json->{csrf};
    my @status = map { $c->post('/t/once', { csrf => $csrf, note => 'x' },
        headers => { 'Idempotency-Key' => 'agent-1' })->status } 1, 2;
    is "@status", '200 200', 'a form of an agent, twice';
    is $portal->psql('select count(*) from portal.t_done'), 1, 'is done once';
    like $portal->psql('select scope from portal.idempotency order by created_at desc limit 1'),
        qr/^agent:\d+$/, 'for that agent';
}


### logging out

{
    my $agent = new_agent();
    my @c = map { scalar agent_client(as => $agent, json => 1) } 1 .. 3;
    my $page = twin($c[0], json => 0)->get('/');
    my $r = twin($c[0], json => 0)->submit($page, {}, form => '/deconnexion');
    is $r->status, 303, 'out';
    is $r->location, '/connexion?avis=signed_out', 'to the log-in';
    like +(grep { /^__Host-agent=;/ } $r->headers('set-cookie'))[0] // '', qr/Max-Age=0/, 'the cookie goes';
    is $c[0]->get('/')->status, 401, 'and what it was worth';
    is $c[1]->get('/')->status, 200, 'the others stay';

    is $c[0]->post('/deconnexion', {})->status, 200, 'sent again it is answered all the same';
    is $c[1]->get('/')->status, 200, 'and ends nothing else';
    is twin($c[1], json => 0)->get('/connexion?suite=%2Fcompte')->location, '/compte',
        'who is logged in is led past the log-in';

    my $html = twin($c[1], json => 0);
    $page = $html->get('/session');
    ok((grep { $_ eq 'Se déconnecter partout' } buttons($page)), 'a button for all of them');
    my $csrf = $c[1]->get('/session')->json->{csrf};
    is $html->post('/deconnexion', { csrf => $csrf, everywhere => 'yes' })->status, 303, 'everywhere';
    is $c[$_]->get('/')->status, 401, "session $_ is over" for 1, 2;
    is $c[2]->get('/t/file')->status, 401, 'at once, where nginx alone says who is there';
    is $portal->psql("select count(*) from portal.agent_session s join portal.agent a on a.id = s.agent_id
        where a.email = '$agent->{email}' and s.ended_at is null"), 0, 'in the database';
}


### a session that ended under a form

{
    my $agent = new_agent();
    my $c = agent_client(as => $agent);
    my ($form) = $c->get('/session')->form('prolongation');
    $portal->psql("update portal.agent_session set ended_at = now() where ended_at is null");
    my $r = $c->post('/t/once', [@{ $form->{fields} }[0, 1], note => 'mots gardés']);
    is $r->status, 401, 'the log-in is shown';
    my ($restore) = $r->content =~ /name="restore" value="([^"]+)"/;
    ok $restore, 'with the form, sealed';

    my $in = log_in_agent(client(agents => 1), $agent);
    is $in->status, 303, 'logged in';
    $c->cookie('__Host-agent', undef);
    my $fresh = $c->get('/connexion');
    $portal->psql("set session_replication_role = replica; update portal.agent set totp_step = 0");
    $in = $c->submit($fresh, { email => $agent->{email}, password => $agent->{password}, restore => $restore,
        otp => otp($agent->{totp_secret}) }, form => '/connexion');
    is $in->location, '/t/once?reprise=1', 'back to the form';
}


### while Redis is away

{
    my $agent = new_agent();
    my $c = agent_client(as => $agent, json => 1);
    # what was heard of the log-in drops the copy of before
    ok everywhere(sub { $c->get('/compte', @_) }, sub { $_[0]->status == 200 }), 'an agent is known';
    $portal->stop_redis;
    ok wait_for(10, sub { $c->get('/t/file')->status == 503 }), 'without Redis nginx alone lets nobody in';
    is $c->get('/compte')->status, 200, 'where PostgreSQL is asked the agent goes on';
    is log_in_agent(client(agents => 1, json => 1), $agent)->status, 503, 'nobody logs in';
    $portal->psql("update portal.agent set state = 'disabled' where email = '$agent->{email}'");
    is $c->get('/compte')->status, 401, 'T059 and a right that is taken away is gone';
    $portal->start_redis;
    ok wait_for(15, sub { all_ready() }), 'with it each worker goes on';
    ok wait_for(15, sub { log_in_agent(client(agents => 1), $paul)->status == 303 }), 'agents log in';
    forget_attempts();
}


### what is kept, and how long

{
    $portal->psql("update portal.agent_session set opened_at = now() - interval '60 days',
        absolute_until = now() - interval '31 days'");
    my $other = agent_client();
    $portal->psql('select portal.purge()');
    is $portal->psql('select count(*) from portal.agent_session'), 1, 'sessions of a month ago are erased';
    is $portal->psql("select (portal.audit_verify()->>'status') from (select portal.audit_chain()) c"), 200,
        'the audit\'s chain holds with agents in it';
}


### lists with nothing in them

{
    # a town as it is before its first import
    my ($boss) = agent_client(role => 'administrator', town => 'beaulieu');
    $portal->psql('set session_replication_role = replica;
        delete from portal.change_set where tenant = 2; delete from portal.guardian where tenant = 2');

    like $boss->get($_)->text, qr/Aucune demande n’attend de décision\./, "$_: nothing waits"
        for '/', '/?etat=&rubrique=&qui=&numero=';
    like $boss->get($_)->text, qr/Aucune demande ne correspond à ces choix\./, "$_: none of what was chosen"
        for '/?etat=done', '/?rubrique=guardian_basic', '/?qui=mine', '/?numero=2026-0000001';
    like $boss->get('/codes/responsables?nom=&etat=')->text, qr/Aucun responsable n’est encore dans les dossiers\./,
        'no guardian at all';
    like $boss->get("/codes/responsables?$_")->text, qr/Aucun responsable ne correspond à ces choix\./, "none of $_"
        for 'nom=martin', 'etat=linked';
}


### nginx -t

{
    my $nginx = $portal->nginx;
    my $file = $nginx->dir . '/conf/nginx.conf';
    my $conf = slurp($file);
    expect_complaint(qr{\[emerg\].* in \S+:\d+$});

    for (['a page of agents at the families\'', qr/(portal_tenant saint-aubin;)/,
            'location /x { portal_allow agent; portal_get agent_start agent_start; }',
            qr/stands in a server that is not for agents/],
        ['a page of citizens at the agents\'', qr/(portal_tenant saint-aubin agents;)/,
            'location /x { portal_allow citizen; portal_get my_space my_space; }',
            qr/a server for agents has no page of citizens/],
        ['a page of families there', qr/(portal_tenant saint-aubin agents;)/,
            'location /x { portal_allow family; portal_get family family; }',
            qr/a server for agents has no page of citizens/],
        ['a location for agents alone', qr/(portal_tenant saint-aubin;)/,
            'location /x { portal_tenant saint-aubin agents; portal_allow agent; portal_get agent_start agent_start; }',
            qr/a server is for agents as a whole or not at all/],
        ['and one for families', qr/(portal_tenant saint-aubin agents;)/,
            'location /x { portal_tenant saint-aubin; portal_allow citizen; portal_get my_space my_space; }',
            qr/a server is for agents as a whole or not at all/],
        ['another word', qr/(portal_tenant saint-aubin) agents;/, ' agent;', qr/"agent"; write "agents"/])
    {
        my ($what, $where, $more, $message) = @$_;
        spew($file, $conf =~ s/$where/$1$more/r, 0600);
        my ($good, $said) = $nginx->test_conf;
        ok !$good && $said =~ $message, "nginx -t: $what" or diag $said;
    }
    spew($file, $conf, 0600);
    ok +($nginx->test_conf)[0], 'nginx -t: as it is';
}

done_testing;
