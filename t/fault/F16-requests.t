#!/usr/bin/perl

# A request of a family or the decision about one, and PostgreSQL, the worker
# or Redis that goes in the middle of it: it is done wholly or not at all, who
# asked is told when nobody knows, and the same form sent again counts once,
# under the same number.

use Portal::Test;

use strict;
use warnings;
use utf8;

use IO::Select;

use Portal::Cut;
use Portal::Fault;

expect_complaint(qr/worker process \d+ exited on signal 9/);
expect_complaint(qr/shared memory zone ".*" was locked by/);

my $p = Portal::Stack->new;
my $road = $p->dir . '/road';
$p->{directives} = { portal_database =>
    qq{"host=$road dbname=portal user=portal_web"} };
$p->prepare;
$p->start_database;
Portal::Place::make_dir($road, 0755);
my $cut = Portal::Cut->new("$road/.s.PGSQL.5432",
    $p->pg->socket_dir . '/.s.PGSQL.5432');
$p->start_redis;
$p->start_mail;
$p->start_nginx;
Portal::Test::adopt($p);
wait_for(10, sub { client()->get('/connexion')->title =~ /Saint-Aubin/ });

# as in F16-commit-unknown.t
my @WAYS = (['before'], ['after', 0], ['after', -6], ['silent', 0]);

my $truth = qr/ne sait pas si votre demande a été enregistrée/;
my $lie = qr/n’a pas (?:pu )?(?:été|être) enregistré|Rien n’(?:a été|est)/;

my $me = $p->psql("select g.id from portal.guardian g join portal.family f
    on f.id = g.family_id where f.number = '104201' and g.rank = 1");
my $base = "/famille/responsables/$me/base";
my $camille = signed_in(qr/couple/);
my $agent = agent_client();
my $n = 0;


# all that an act leaves behind, but for the number of a request
sub traces {
    return scalar $p->psql("select concat_ws(' ',
        (select count(*) from portal.change_set),
        (select count(*) from portal.change_event),
        (select count(*) from portal.audit where action in ('ask_change',
            'decide', 'withdraw_change', 'take_request')),
        (select count(*) from portal.outbox where template like 'change%'),
        (select coalesce(profession, '-') from portal.guardian where id = $me))");
}

sub open_one {
    return scalar $p->psql("select id from portal.change_set
        where state in ('sent', 'taken', 'incomplete')");
}

sub state_of {
    return scalar $p->psql("select state from portal.change_set where id = $_[0]");
}

sub number_of {
    return scalar $p->psql("select number from portal.change_set where id = $_[0]");
}

# an open request, asked for with nothing in its way
sub asked {
    my $page = $camille->submit($camille->get($base), { step => 'send',
        profession => 'Métier ' . ++$n }, form => $base);
    die 'not asked: ', $page->status, ' ', $page->text, "\n"
        if $page->status != 303;

    return $page->location =~ m{/famille/demandes/(\d+)} ? $1 : die;
}

# the ways to do each of the three: function, who, the form as it is sent
my %act = (
    ask_change => sub {
        my $form = $camille->get($base);
        return ($camille, $form, { step => 'send',
            profession => 'Métier ' . ++$n }, $base);
    },
    withdraw_request => sub {
        my $path = '/famille/demandes/' . asked();
        return ($camille, $camille->get($path), {}, $path);
    },
    decide => sub {
        my $path = '/demandes/' . asked();
        return ($agent, $agent->get($path), { step => 'accept' }, $path);
    },
);
my @ACTS = qw(ask_change withdraw_request decide);

# what was asked for is there once, whichever way the answer got lost
sub settled {
    my ($name, $act, $done, $before) = @_;

    is $done->status, 303, "$name: sent again" or diag $done->text;
    my ($id) = ($done->location // '') =~ m{^(?:/famille)?/demandes/(\d+)\?};
    ok $id, "$name: led to the receipt" or return;

    my ($sets, $events, $audit, $mails, $job) = split ' ', $before, 5;
    my %want = (
        ask_change => [$sets + 1, $events + 1, $audit + 1, $mails + 1],
        withdraw_request => [$sets, $events + 1, $audit + 1, $mails],
        decide => [$sets, $events + 1, $audit + 1, $mails + 1],
    );
    # the job is the asked one's when it was accepted
    is join(' ', (split ' ', traces())[0 .. 3]), "@{ $want{$act} }",
        "$name: once, with its history, audit and mail";
    is state_of($id), { ask_change => 'sent', withdraw_request => 'withdrawn',
        decide => 'accepted' }->{$act}, "$name: as it was asked for";

    return $id;
}

# the next act begins with no request open
sub clear {
    my $open = open_one() or return;
    my $path = "/famille/demandes/$open";
    $camille->submit($camille->get($path), {}, form => $path);
}


### it is known that nothing was done, and who asked is told

for my $act (@ACTS) {
    my ($who, $form, $fields, $path) = $act{$act}->();
    my $before = traces();
    my $j = as_json($who);
    my $csrf = $j->get($path)->json->{csrf};
    my $unlock = locked('family');
    my $page = $who->submit($form, $fields, form => $path);
    my $json = $j->post($path, { csrf => $csrf, %$fields,
        $act eq 'withdraw_request' ? () : (version => 'x') });
    $unlock->();

    is $page->status, 503, "$act, a lock that is not had: 503";
    like $page->text, qr/n’a pas été enregistré.*envoyez de nouveau/s, "$act: nothing was done";
    is $json->json->{code}, 'not_done', "$act: as JSON" or diag $json->content;
    is traces(), $before, "$act: nor was it";
    is $who->submit($form, $fields, form => $path)->status, 303, "$act: sent again";
    clear();
}


### the connection is cut

for my $act (@ACTS) {
    for my $way (@WAYS) {
        my ($how) = @$way;
        my $name = join ' ', $act, @$way;

        clear();
        my ($c, $form, $fields, $path) = $act{$act}->();
        my %sent = @{ $form->form($path)->{fields} };
        my $before = traces();

        $cut->at($act, @$way);
        my $page = $c->submit($form, $fields, form => $path);
        ok $cut->done, "$name: cut";
        my $after = traces();
        $how eq 'before' ? is($after, $before, "$name: nothing was done")
            : isnt($after, $before, "$name: it was done");
        my $number = $how ne 'before' && $act eq 'ask_change'
            ? number_of(open_one()) : undef;

        is $page->status, 503, "$name: 503";
        ok $page->header('retry-after'), "$name: Retry-After";
        like $page->text, $truth, "$name: the truth";
        unlike $page->text, $lie, "$name: and no other";

        # what cannot be done twice is no more on the page, which says what is so
        my $over = $how ne 'before' && $act ne 'ask_change';
        if ($over) {
            like $page->text, $act eq 'decide' ? qr/Acceptée/ : qr/Annulée/,
                "$name: the page has the request as it is";
        } else {
            my %again = @{ $page->form($path)->{fields} };
            is $again{$_}, $sent{$_}, "$name: $_ as it was" for qw(key version);
            is $again{profession}, $fields->{profession},
                "$name: filled as it was typed" if $act eq 'ask_change';
        }
        my $id = settled($name, $act, $c->submit($over ? $form : $page, $fields,
            form => $path), $before);
        is number_of($id), $number, "$name: the same number" if $number;

        # one who goes back and presses the button once more
        my $once = traces();
        my $done = $c->submit($form, $fields, form => $path);
        is $done->status, 303, "$name: a third time";
        like $done->location, qr{/demandes/$id\?}, "$name: the one receipt";
        is traces(), $once, "$name: nothing more";
    }
}

# a program
{
    clear();
    my $json = as_json($camille);
    my %body = (csrf => $json->get($base)->json->{csrf},
        profession => 'Métier ' . ++$n);
    my %key = (headers => { 'Idempotency-Key' => 'unsure-ask' });
    my $before = traces();

    $cut->at('ask_change', 'after', 0);
    my $r = $json->post($base, \%body, %key);
    is $r->status, 503, 'JSON: 503';
    is $r->json->{errors}[0]{code}, 'unknown_outcome', 'JSON: unknown';
    my $id = open_one();
    $r = $json->post($base, \%body, %key);
    is $r->status, 200, 'JSON: again' or diag $r->content;
    is $r->json->{location}, "/famille/demandes/$id", 'JSON: the same receipt';
    is((split ' ', traces())[0], 1 + (split ' ', $before)[0], 'JSON: once');
}


### the backend dies while it works: nothing was done, or the worker asks again

# the act stands still inside its transaction, with all its rows written
sub held {
    my ($code) = @_;

    $p->psql("create function portal.t_hold() returns trigger language plpgsql
            as 'begin perform pg_sleep(20); return null; end';
        create trigger t_hold after insert on portal.audit for each row
            when (new.action in ('ask_change', 'decide', 'withdraw_change'))
            execute function portal.t_hold()");
    my $sent = $code->();
    ok sleeping(1), 'in the middle';
    my $free = sub {
        $p->psql('drop trigger t_hold on portal.audit;
            drop function portal.t_hold');
    };

    return ($sent, $free);
}

sub end_sleeping {
    return scalar $p->psql("select count(pg_terminate_backend(pid))
        from pg_stat_activity where usename = 'portal_web'
        and wait_event = 'PgSleep'");
}

for my $act (@ACTS) {
    for my $way (qw(terminate worker)) {
        my $name = "$act, $way";
        clear();
        my ($c, $form, $fields, $path) = $act{$act}->();
        my $before = traces();
        my ($sent, $free) = held(sub { $c->submit($form, $fields,
            form => $path, pending => 1, forget => 1) });

        kill 'KILL', $p->nginx->workers if $way eq 'worker';

        # of a call that is asked again the second one too
        my $answer = IO::Select->new($sent->{socket});
        ok wait_for(20, sub { end_sleeping(); $answer->can_read(0.05) }),
            "$name: an answer";
        my $page = $sent->page;
        is $page->status, $way eq 'worker' ? 0 : 503, "$name: that says so"
            or diag $page->text;
        ok wait_for(10, sub { end_sleeping() == 0 }), "$name: over";
        is traces(), $before, "$name: nothing was done";
        $free->();

        my $done;
        wait_for(10, sub {
            $done = $c->submit($form, $fields, form => $path);
            $done->status !~ /^(?:0|409|503)$/;
        });
        settled($name, $act, $done, $before);
    }
}


### T107: the worker dies between COMMIT and the answer

for my $act (@ACTS) {
    my $name = "T107 $act";
    clear();
    my ($c, $form, $fields, $path) = $act{$act}->();
    my $before = traces();

    $cut->at($act, 'silent', 0);
    my $sent = $c->submit($form, $fields, form => $path, pending => 1,
        forget => 1);
    ok wait_for(10, sub { traces() ne $before }), "$name: it was done";
    my $number = $act eq 'ask_change' ? number_of(open_one()) : undef;
    kill 'KILL', $p->nginx->workers;
    is $sent->page->status, 0, "$name: and nobody was told";

    my $done;
    wait_for(10, sub {
        $done = $c->submit($form, $fields, form => $path);
        $done->status !~ /^(?:0|503)$/;
    });
    my $id = settled($name, $act, $done, $before);
    is number_of($id), $number, "$name: the same number" if $number;
}


### Redis is away: who is logged in asks, withdraws and decides

clear();
ok tracked(), 'the workers hear from Redis';
my $ready = asked();
$_->[0]->get($_->[1]) for map { ([$camille, $base], [$agent, '/']) } 1 .. 4;
$p->stop_redis;
{
    my $before = traces();
    my $sent = $camille->submit($camille->get($base), { step => 'send',
        profession => 'Sans Redis' }, form => $base);
    is $sent->status, 303, 'without Redis: asked' or diag $sent->text;
    my ($id) = ($sent->location // '') =~ /(\d+)/;
    is state_of($ready), 'replaced', 'without Redis: the former one is replaced';
    is $camille->get("/famille/demandes/$id")->status, 200,
        'without Redis: the receipt';
    my $path = "/demandes/$id";
    my $done = $agent->submit($agent->get($path), { step => 'accept' },
        form => $path);
    is $done->status, 303, 'without Redis: decided' or diag $done->text;
    is +(split ' ', traces(), 5)[4], 'Sans Redis', 'without Redis: in the file';

    my $other = "/famille/demandes/" . asked();
    is $camille->submit($camille->get($other), {}, form => $other)->status, 303,
        'without Redis: withdrawn';
}
$p->start_redis;
ok wait_for(10, sub { sign_in(client(), account(qr/couple/))->status == 303 }),
    'Redis is back';


# PostgreSQL goes with the answer, so that the form's own page cannot be had either
{
    $camille = signed_in(qr/couple/);
    clear();
    my ($c, $form, $fields, $path) = $act{ask_change}->();
    my ($sets) = split ' ', traces();
    $cut->at('ask_change', 'silent', 0);
    my $sent = $c->submit($form, $fields, form => $path, pending => 1);
    wait_for(5, sub { $cut->done && (split ' ', traces())[0] == $sets + 1 });
    $p->stop_database;
    my ($page) = Portal::Pending->pages($sent);
    is $page->status, 503, 'gone with the answer: 503';
    like $page->text, $truth, 'gone with the answer: the truth';
    unlike $page->text, $lie, 'gone with the answer: and no other';
    $p->start_database;
    back_ok($c, '/mon-espace', 'gone with the answer', 8);
    my $done = $c->submit($page, {}, form => $path);
    is $done->status, 303, 'gone with the answer: sent again from that page' or diag $done->text;
    is((split ' ', traces())[0], $sets + 1, 'gone with the answer: once');
}

### and at the end

is $p->psql("select count(*) from portal.change_set s where s.version <>
    (select count(*) from portal.change_event e where e.set_id = s.id)"), 0,
    'each version of a request is an event of its history';
is $p->psql("select count(*) from portal.change_set s where s.state = 'accepted'
    and 1 <> (select count(*) from portal.audit a where a.action = 'decide'
        and a.object_id = s.id and a.outcome = 'accepted')"), 0,
    'each decision is in the audit once';
is $p->psql("select count(*) from (select data->>'number', template
    from portal.outbox where template like 'change%' group by 1, 2
    having count(*) > 1) x"), 0, 'no mail was written twice';

$cut->stop;

done_testing;
