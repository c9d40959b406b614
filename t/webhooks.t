#!/usr/bin/perl

# Webhooks: the town's software is told that there is something to read, by a
# small signed message that names nobody.  What is not received is sent again,
# and no address of the server's own networks is ever talked to.

use strict;
use warnings;
use utf8;

use Portal::Fault qw(as_json log_lines signed_in);
use Portal::Hook;
use Portal::Place qw(free_port wait_for);
use Portal::Test;

my $portal = Portal::Stack->new(jobs => 'purge=300ms',
    webhooks => 'interval=200ms timeout=3s allow=127.0.0.1', directives => { portal_import => '200ms' });
# nginx's own TLS, in the worker that sends messages over TLS
my $tls = free_port();
$portal->{http} = join ' ', "server { listen 127.0.0.1:$tls ssl; location / { return 204; }",
    map { "ssl_certificate$_->[0] @{[ $portal->dir ]}/smtp/cert.$_->[1];" } ['', 'pem'], ['_key', 'key'];
$portal->{http} .= ' }';
Portal::Test::adopt($portal->start);
my ($boss) = agent_client(role => 'administrator');
my $desk = as_json($boss);
my $there = agent_client(json => 1, role => 'administrator', town => 'beaulieu');
my ($soft, $other) = map { Portal::Hook->start($portal) } 1, 2;

sub row { return scalar $portal->psql($_[0]) }
sub codes { return join ' ', map { "$_->{field}:$_->{code}" } @{ $_[0]->json->{errors} // [] } }
sub add { my ($c, $url, $events) = @_;
    return json_post($c, '/reglages/logiciel', { url => $url, webhook_events => $events // 'both' }) }
sub page { my ($id, $c) = @_; return ($c // $desk)->get("/reglages/logiciel/$id")->json }
sub act { my ($id, $step, $c) = @_; $c //= $desk;
    return json_post($c, "/reglages/logiciel/$id", { step => $step, version => page($id, $c)->{version} }) }
sub state_of { return row("select state from portal.webhook where tenant = 1 and id = $_[0]") }
sub audited { return row("select string_agg(action || ':' || outcome, ' ' order by id) from portal.audit
    where object = 'webhook' and object_id = $_[0]") }
# waited for until it is so
sub becomes {
    my ($sql, $want, $what) = @_;

    my $is;
    wait_for(40, sub { ($is = row($sql) // "") eq $want });
    return is $is, $want, $what;
}
# the wait between two sendings is over
sub due { row('update portal.webhook set next_try = now() where next_try > now() returning 1') }
# a change that is new to whoever reads the feed
sub news {
    my ($town) = @_;

    row("update portal.change set position = nextval('portal.change_position') where (tenant, id) =
        (select tenant, max(id) from portal.change where tenant = " . ($town // 1) . ' group by tenant) returning 1');
}


### who may

for my $role (qw(reader validator)) {
    my $c = agent_client(json => 1, as => new_agent(role => $role));
    is $c->get($_)->status, 403, "$role: $_" for qw(/reglages/logiciel /reglages/logiciel/1);
    is json_post($c, '/reglages/logiciel', { url => $soft->url, webhook_events => 'both' }, page => '/session')->status,
        403, "$role: adds none";
}
like $boss->get('/reglages')->content, qr{href="/reglages/logiciel"}, 'an administrator is led there';
like $boss->get('/reglages/logiciel')->text, qr/Aucune adresse n’est prévenue/, 'none at first';


### what is no address

for my $wrong ('http://localhost/x', 'https://', 'https://user:pw@localhost/', 'https://localhost#a', 'ftp://localhost/',
    "https://local\x{e9}/", 'https://localhost/a b', 'https://localhost/"', 'https://[::1]/', 'file:///etc/passwd',
    'https://local_host/', 'https://localhost:0/', 'https://localhost:999999/')
{
    is codes(add($desk, $wrong)), 'url:https_only', "refused: $wrong";
}
is codes(add($desk, "https://localhost:$_/")), 'url:port', "refused: port $_" for 80, 444, 1023, 65536;
is codes(add($desk, '')), 'url:required', 'none';
my %said = map { $_->{field} => $_->{message} } @{ json_post($desk, '/reglages/logiciel', {})->json->{errors} };
like $said{url}, qr/^Saisissez l’adresse/, 'and which';
like $said{webhook_events}, qr/^Choisissez/, 'nor is a choice filled in';
is codes(add($desk, $soft->url, 'all')), 'webhook_events:choice', 'of what it is told';
is row('select count(*) from portal.webhook'), 0, 'nothing was added';

# what nothing would be sent to, however it is written; a name may only be known when it is asked for
for my $host (qw(10.0.0.1 192.168.1.1 127.0.0.2 169.254.169.254 172.16.0.1 100.100.100.200 0.0.0.0 2130706433 0x7f000001 127.2 017700000002)) {
    is codes(add($desk, "https://$host/")), 'url:url_private', "refused: $host";
}
is row('select count(*) from portal.webhook'), 0, 'nothing of it was added';

my $r = $boss->submit($boss->get('/reglages/logiciel'), { url => 'https://10.0.0.1/x', webhook_events => 'both' },
    form => '/reglages/logiciel#erreurs');
is $r->status, 422, 'a private address: a person is told';
like $r->text, qr/elle n’est pas sur internet/, 'why';
like $r->content, qr{value="https://10.0.0.1/x"}, 'with what was typed';

$r = $boss->submit($boss->get('/reglages/logiciel'), { url => 'http://localhost/x', webhook_events => 'both' },
    form => '/reglages/logiciel#erreurs');
is $r->status, 422, 'a person is told';
like $r->text, qr/Recopiez celle de l’éditeur/, 'in words';
like $r->content, qr{value="http://localhost/x"}, 'and what was typed is there again';


### one is added, without scripts; its secret is shown once

$r = $boss->submit($boss->get('/reglages/logiciel'), { url => 'HTTPS://LocalHost:' . ($soft->url =~ /:(\d+)/)[0] . '/Hook?a=1',
    webhook_events => 'both' }, form => '/reglages/logiciel#erreurs');
is $r->status, 200, 'added' or diag $r->text;
my ($secret) = $r->text =~ m{(whsec_[A-Za-z0-9+/]{43}=)};
ok $secret, 'its secret is shown' or diag $r->text;
like $r->header('cache-control'), qr/no-store/, 'and kept nowhere';
my $id = row('select id from portal.webhook');
is row("select url from portal.webhook where tenant = 1 and id = $id"), $soft->url('/Hook?a=1'), 'a host is the same in capitals';
unlike row('select string_agg(w::text, chr(32)) from portal.webhook w'), qr/whsec|\Q@{[substr $secret, 6]}/,
    'the database has no secret';
unlike $boss->get($_)->content, qr/whsec_/, "$_ shows none" for '/reglages/logiciel', "/reglages/logiciel/$id";
unlike $desk->get($_)->content, qr/whsec_|"secret":"|sealed/, "nor as JSON: $_" for '/reglages/logiciel', "/reglages/logiciel/$id";
is codes(add($desk, $soft->url('/Hook?a=1'))), 'url:webhook_there', 'twice is once';
$soft->secrets($secret);


### a test

is $boss->submit($boss->get("/reglages/logiciel/$id"), { step => 'test' })->status, 303, 'a test';
my ($test) = $soft->comes(1);
is $test->{line}, 'POST /Hook?a=1 HTTP/1.1', 'it comes';
is_deeply $test->{signed_by}, [0], 'and is signed with the secret';
is $test->{json}{type}, 'webhook.test', 'what it is';
is $test->{headers}{'content-type'}, 'application/json', 'as JSON';
ok !grep({ /cookie|authorization|referer|accept-encoding/ } keys %{ $test->{headers} }), 'with nothing of the portal\'s';
like $test->{tls}, qr/TLSv1\.[23]/, 'over TLS';
becomes("select string_agg(outcome || coalesce(status, 0), ' ') from portal.webhook_attempt", 'delivered204', 'noted');
like $boss->get("/reglages/logiciel/$id")->text, qr/Essai.*Reçu.*Réponse 204/s, 'and told';


### what is accepted

my $camille = as_json(signed_in(qr/couple/));
my $base = '/famille/responsables/' . row("select g.id from portal.guardian g join portal.family f
    on f.id = g.family_id where f.number = '104201' and g.rank = 1") . '/base';
{
    my ($request) = json_post($camille, $base, { profession => 'Pilote de ligne' })->json->{location} =~ /(\d+)/;
    my $got = $soft->received;
    is json_post($desk, "/demandes/$request", { step => 'accept',
        version => $desk->get("/demandes/$request")->json->{version} })->status, 200, 'accepted';
    my @all = $soft->comes($got + 1);
    my $message = $all[-1];
    is_deeply [$message->{json}{type}, $message->{signed_by}], ['changes.accepted', [0]], 'told at once';
    unlike $message->{body}, qr/Pilote|Martin|Camille|104201|profession/, 'without a name or a value';
    my $key = $portal->machine(name => 'Logiciel', rights => 'feed');
    my $feed = client(agents => 1, json => 1)->get('/api/changements', headers => { Authorization => "Bearer $key" })->json;
    is $message->{json}{data}{cursor}, $feed->{next}, 'and where the feed ends by now';
    is $feed->{changes}[0]{new}, 'Pilote de ligne', 'which has it';
    becomes("select count(*) from portal.webhook_message where state = 'queued'", 0, 'nothing is left to say');
}


### a town's software hears of its own town

is add($there, $other->url)->status, 200, 'another town has another';
is row('select id from portal.webhook where tenant <> 1'), 1, 'numbered from 1 there, whatever others have';
my $abroad = row('update portal.webhook set id = 999 where tenant <> 1 returning id');
is $desk->get("/reglages/logiciel/$abroad")->status, 404, 'which this one does not see';
is json_post($desk, "/reglages/logiciel/$abroad", { step => 'test', version => 'x' }, page => '/session')->status, 404,
    'nor touches';
is add($there, $soft->url('/same'))->status, 200, 'and may have the same place';
is row("select count(*) from portal.webhook where tenant <> 1"), 2, 'as its own';
{
    my $n = $soft->received;
    news();
    $soft->comes($n + 1);
    becomes("select count(*) from portal.webhook_message where state = 'queued'", 0, 'told');
    my ($message) = grep { $_->{json}{type} eq 'changes.accepted' } ($soft->received)[$n .. $n];
    is $message->{line}, 'POST /Hook?a=1 HTTP/1.1', 'of a change here';
    is scalar($soft->received), $n + 1, 'once';
    is scalar(my @none = $other->received), 0, 'and the other town\'s hears nothing';
    is row("select count(*) from portal.webhook_message where tenant <> 1"), 0, 'nor is to';
}


### two secrets while one is replaced

my $old = page($id)->{version};
$r = act($id, 'secret');
my $new = $r->json->{secret};
like $new, qr{^whsec_[A-Za-z0-9+/]{43}=$}, 'another secret';
isnt $new, $secret, 'is another';
is codes(json_post($desk, "/reglages/logiciel/$id", { step => 'secret', version => $old })), ':settings_changed',
    'the same page again replaces nothing';
is json_post($desk, "/reglages/logiciel/$id", { step => 'secret' })->status, 428, 'a program says over which version';
$soft->secrets($secret, $new);
{
    my $n = $soft->received;
    act($id, 'test');
    is_deeply +($soft->comes($n + 1))[-1]{signed_by}, [0, 1], 'signed with both';
    ok page($id)->{former_until}, 'for a while';
    row("update portal.webhook set former_until = now() where tenant = 1 and id = $id returning 1");
    becomes("select former is null from portal.webhook where tenant = 1 and id = $id", 't', 'then the former is gone');
    $n = $soft->received;
    act($id, 'test');
    is_deeply +($soft->comes($n + 1))[-1]{signed_by}, [1], 'and signs no more';
}


### sent again until it is received, always as the same message

for my $case (['500', 500, ''], ['404', 404, ''], ['429', 429, ''], ['moved', 302, ''], ['hang', 0, 'timeout'], ['drip', 0, 'timeout'],
    ['cut', 0, 'cut'], ['junk', 0, 'cut'])
{
    my ($fault, $status, $detail) = @$case;
    my $n = $soft->received;
    $soft->fault("$fault 1");
    news();
    becomes("select coalesce(a.status, 0) || coalesce(a.detail, '') || m.state from portal.webhook_attempt a
        join portal.webhook_message m on m.id = a.message_id where (m.tenant, m.webhook_id) = (1, $id) order by a.at desc limit 1",
        "$status${detail}queued", "$fault: it waits");
    is row("select next_try - now() between '8 s' and '12 s' from portal.webhook where tenant = 1 and id = $id"), 't', 'a little'
        if $fault eq '500';
    my $trouble = page($id)->{webhook}{trouble};
    ok $trouble->{since}, "$fault: the page says since when";
    is_deeply [$trouble->{status} // 0, $trouble->{webhook_fault} // ''], [$status, $detail], 'and what was wrong';
    due();
    my @all = $soft->comes($n + 2);
    is_deeply [map { $_->{headers}{'webhook-id'} } @all[$n, $n + 1]], [($all[$n]{headers}{'webhook-id'}) x 2],
        "$fault: sent again, under its id";
    is $all[$n + 1]{body}, $all[$n]{body}, 'as it was';
    is_deeply $all[$n + 1]{signed_by}, [1], 'signed anew';
    becomes("select count(*) from portal.webhook_message where state = 'queued'", 0, 'and received');
    is page($id)->{webhook}{trouble}, undef, 'all is well';
    is scalar($soft->received), $n + 2, 'once';
}
ok !grep({ $_->{line} =~ /elsewhere/ } $soft->received), 'no redirect is followed';

# as long as it likes: the status is what counts
for my $fault (qw(long headers stuck short)) {
    my $n = $soft->received;
    $soft->fault("$fault 1");
    act($id, 'test');
    $soft->comes($n + 1);
    becomes("select m.state || ' ' || a.status from portal.webhook_message m join portal.webhook_attempt a on a.message_id = m.id
        where (m.tenant, m.webhook_id) = (1, $id) order by a.at desc limit 1", $fault eq 'headers' ? 'delivered 204' : 'delivered 200',
        "$fault: an answer that does not end is an answer");
}

# certificates
for my $case (['of another name', 'other.example'], ['of an unknown authority', 'localhost', 1], ['that is good', 'localhost']) {
    my ($what, $name, $foreign) = @$case;
    $soft->stop;
    $soft->certificate($name, $foreign);
    $soft->run;
    my $n = $soft->received;
    act($id, 'test');
    becomes("select a.outcome || ' ' || coalesce(a.detail, '') from portal.webhook_attempt a join portal.webhook_message m
        on m.id = a.message_id where (m.tenant, m.webhook_id) = (1, $id) order by a.at desc limit 1",
        $what =~ /good/ ? 'delivered ' : 'retry tls', "a certificate $what");
    is scalar($soft->received), $n + ($what =~ /good/ ? 1 : 0), 'and what is said to it';
    # what libcurl leaves behind there is nothing to who comes to nginx over TLS
    is scalar(grep { `curl -sk -o /dev/null -w '%{http_code}' https://127.0.0.1:$tls/` ne 204 } 1 .. 8), 0, 'others come over TLS';
    is scalar(log_lines(qr/stale global SSL error/)), 0, 'and hear nothing of it';
}
$soft->stop;
act($id, 'test');
becomes("select a.detail from portal.webhook_attempt a join portal.webhook_message m on m.id = a.message_id
    where (m.tenant, m.webhook_id) = (1, $id) order by a.at desc limit 1", 'connect', 'nobody there');
$soft->run;


### what changes while a message waits is told, too

{
    my $n = $soft->received;
    $soft->fault('500 1');
    news();
    $soft->comes($n + 1);
    becomes("select count(*) from portal.webhook_message where state = 'queued' and attempts = 1", 1, 'one waits');
    for (1 .. 3) {
        news();
        my $last = row('select max(position) from portal.change where tenant = 1');
        becomes("select told from portal.webhook where tenant = 1 and id = $id", $last, 'more is new');
    }
    is row("select count(*) from portal.webhook_message where state = 'queued'"), 2, 'one more message says so';
    is scalar($soft->received), $n + 1, 'after the one that waits';
    due();
    my @all = $soft->comes($n + 3);
    isnt $all[$n + 2]{headers}{'webhook-id'}, $all[$n + 1]{headers}{'webhook-id'}, 'both come, one after the other';
    is $all[$n + 2]{json}{data}{cursor}, row('select max(position) from portal.change where tenant = 1'),
        'the second with where the feed ends';
}


### given up, and tried again by hand

{
    my $n = $soft->received;
    $soft->fault('503');
    news();
    for my $try (1 .. 11) {
        # that it has been so for hours is told once, at the next sending
        if ($try == 4) {
            unlike $boss->get('/reglages/logiciel')->text, qr/Ce serveur n’envoie aucun message/, 'this server sends';
            like $boss->get('/reglages/logiciel')->text, qr/Sans réponse depuis le/, 'the list says that it is in trouble';
            like $boss->get("/reglages/logiciel/$id")->text, qr/ne reçoit plus les messages depuis le .*Dernier échec.*Réponse 503/s, 'its page, too';
            row("update portal.webhook set trouble_since = now() - interval '2 hours' where tenant = 1 and id = $id returning 1");
        }
        becomes("select max(a.number) from portal.webhook_attempt a join portal.webhook_message m on m.id = a.message_id
            where (m.tenant, m.webhook_id) = (1, $id) and a.status = 503", $try, "try $try");
        due();
    }
    becomes("select state from portal.webhook where tenant = 1 and id = $id", 'failing', 'after three days it is given up');
    is row("select sum(extract(epoch from w)) between 60 * 3600 and 80 * 3600 from
        (select portal.webhook_delay(n) as w from generate_series(1, 10) n) x"), 't', 'which that was';
    is scalar(log_lines(qr{webhook saint-aubin/$id is failing})), 1, 'the log says so';
    my $bosses = row("select string_agg(email, ' ' order by email) from portal.agent
        where tenant = 1 and role = 'administrator' and state = 'active'");
    for my $mail (qw(webhook_late webhook_over)) {
        is row("select string_agg(recipient, ' ' order by recipient) from portal.outbox where template = '$mail'"), $bosses,
            "$mail: each administrator gets one mail";
        my $letter = letter((split ' ', $bosses)[0], $mail);
        like $letter->{text}, qr{n’arrivent plus.*\Q/reglages/logiciel/$id\E}s, 'with the way to its page';
        unlike $letter->{text}, qr/localhost:@{[$soft->url =~ m{:(\d+)}]}|503/, 'not its address';
    }
    is row("select count(*) from portal.outbox where template like 'webhook%' and tenant <> 1"), 0, 'nobody of another town';
    like $boss->get('/reglages/logiciel')->text, qr/En panne/, 'and the list';
    like $boss->get("/reglages/logiciel/$id")->text, qr/pas répondu pendant trois jours.*Reprendre les envois/s, 'and its page';
    is codes(act($id, 'test')), ':webhook_off', 'a test is for what is active';
    news();
    becomes("select count(*) from portal.webhook_message where state = 'queued' and (tenant, webhook_id) = (1, $id)", 1, 'what is new meanwhile waits');
    is scalar($soft->received), $n + 11, 'and is not sent';
    $soft->fault(undef);
    is act($id, 'resume')->status, 200, 'resumed';
    my @all = $soft->comes($n + 13);
    is $all[$n + 11]{headers}{'webhook-id'}, $all[$n]{headers}{'webhook-id'}, 'the one that was given up comes';
    is_deeply [map { $_->{json}{type} } @all[$n + 11, $n + 12]], [('changes.accepted') x 2], 'and the next';
    is state_of($id), 'active', 'it is active';
    like audited($id), qr/webhook:failing change_webhook:resume$/, 'the audit has it';
}


### closed by the software, stopped and resumed by hand

{
    $soft->fault('410 1');
    news();
    becomes("select state from portal.webhook where tenant = 1 and id = $id", 'gone', '410: nothing more goes there');
    like $boss->get("/reglages/logiciel/$id")->text, qr/n’existe plus/, 'as the page says';
    is act($id, 'resume')->status, 200, 'it is back';
    becomes("select count(*) from portal.webhook_message where state = 'queued' and (tenant, webhook_id) = (1, $id)", 0, 'and is told');
    is act($id, 'stop')->status, 200, 'stopped';
    my $n = $soft->received;
    news();
    my $work = row("select (portal.webhook_work())->>'status'");
    is row("select count(*) from portal.webhook_message where state = 'queued' and (tenant, webhook_id) = (1, $id)"), 0, 'no message is made';
    is act($id, 'resume')->status, 200, 'resumed';
    is +($soft->comes($n + 1))[-1]{json}{type}, 'changes.accepted', 'what was new meanwhile is told';
}


### an import that has finished

{
    my $n = $soft->received;
    my $key = $portal->machine(name => 'Export', rights => 'import');
    $r = client(agents => 1, json => 1)->request('PUT', '/import/familles.csv', body => "id_famille;nom\n1;Martin\n",
        headers => { Authorization => "Bearer $key", 'Content-Type' => 'text/csv' });
    my ($import) = $r->header('location') =~ /(\d+)$/;
    my @all = $soft->comes($n + 1);
    is_deeply [$all[-1]{json}{type}, $all[-1]{json}{data}], ['import.report', { import => $import, state => 'checked' }],
        'is told by its number';
    is_deeply $all[-1]{signed_by}, [1], 'signed';
}


### addresses that nothing is sent to: the first is one where somebody listens

for my $host ('127.0.0.2:' . ($soft->url =~ /:(\d+)/)[0], qw(127.1.2.3 0.0.0.0 10.0.0.1 192.168.1.1 169.254.169.254 172.16.0.1 100.100.100.200 2130706434
    0x7f000002 017700000002 127.2 168.63.129.16))
{
    $portal->psql("update portal.webhook set url = 'https://$host/' where tenant = 1 and id = $id");
    act($id, 'test');
    becomes("select a.detail from portal.webhook_attempt a join portal.webhook_message m on m.id = a.message_id
        where (m.tenant, m.webhook_id) = (1, $id) and m.created_at > now() - interval '1 hour' and m.state = 'failed'
        order by a.at desc limit 1", 'address', "$host is not talked to");
    is row("select count(*) from portal.webhook_message where state = 'queued' and event = 'webhook.test'"), 0,
        'nor tried again';
    $portal->psql("delete from portal.webhook_message where (tenant, webhook_id) = (1, $id) and event = 'webhook.test'");
}
$portal->psql("update portal.webhook set url = 'https://name.invalid/' where tenant = 1 and id = $id");
act($id, 'test');
becomes("select a.detail from portal.webhook_attempt a join portal.webhook_message m on m.id = a.message_id
    where (m.tenant, m.webhook_id) = (1, $id) order by a.at desc limit 1", 'resolve', 'a name that is none');


### kept for two weeks; removed

$portal->psql("update portal.webhook_message set done_at = now() - interval '15 days'
    where (tenant, webhook_id) = (1, $id) and state <> 'queued'");
becomes("select count(*) from portal.webhook_message where (tenant, webhook_id) = (1, $id) and done_at < now() - interval '14 days'", 0,
    'what is old is erased');
is row("select count(*) > 0 from portal.retention_run where kind = 'webhook_message'"), 't', 'as the periods say';
is row('select count(*) from portal.webhook_attempt a left join portal.webhook_message m on m.id = a.message_id
    where m.id is null'), 0, 'with how it ended';
is add($desk, "https://localhost/$_")->status, 200, 'more of them' for 1 .. 4;
is codes(add($desk, 'https://localhost/5')), ':webhook_many', 'five are enough';
is act($id, 'remove')->json->{location}, '/reglages/logiciel', 'removed';
is $desk->get("/reglages/logiciel/$id")->status, 404, 'it is gone';
like audited($id), qr/^add_webhook:ok change_webhook:test .*change_webhook:remove$/, 'the audit knows all of it';
like $boss->get('/journal?genre=machine')->text, qr/Adresse du logiciel modifiée/, 'and the journal tells';

done_testing;
