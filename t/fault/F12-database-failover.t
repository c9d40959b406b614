#!/usr/bin/perl

# A primary and its standby: the primary dies, or hangs, the standby is promoted
# and writing goes on by itself.  What was answered is there afterwards.

use Portal::Test;

use strict;
use warnings;
use utf8;

use Time::HiRes qw(time);

use Portal::Fault;

my $p = Portal::Stack->new(workers => 2, server => <<'END');
        location = /billet {
            portal_allow public;
            portal_get   ticket home;
            portal_arg   number $arg_n;
        }
END
$p->prepare;
$p->start_database;

my $first = $p->pg;
my $standby = standby_of($first, 'other');
synchronous($first);

# the standby is named first: it must be asked, and left
$p->{directives}{portal_database} = [map { '"' . $_->conninfo('portal_web')
    . '"' } $standby, $first];
$p->{directives}{portal_jobs} = [map { '"' . $_->conninfo('portal_jobs')
    . '"' } $first, $standby];

$first->query("create table portal.ticket (number int);
    alter table portal.ticket owner to portal_api;
    create function portal.ticket(input jsonb) returns json
        language plpgsql security definer set search_path = portal, pg_temp
        as 'begin insert into portal.ticket values ((input->>''number'')::int);
            return json_build_object(''status'', 200, ''number'', input->>''number''); end';
    alter function portal.ticket(jsonb) owner to portal_api;
    revoke execute on function portal.ticket(jsonb) from public;
    grant execute on function portal.ticket(jsonb) to portal_web");

$p->start_redis;
$p->start_mail;
$p->start_nginx;
Portal::Test::adopt($p);

wait_for(5, sub { client()->get('/')->title =~ /Saint-Aubin/ });
my $couple = account(qr/couple/);
my $c = signed_in($couple);
my $agent = agent_client();
my $base = '/famille/responsables/' . $first->query("select u.guardian_id
    from portal.subscription u join portal.account a on a.id = u.account_id
    where a.email = '$couple->{email}'") . '/base';
my ($n, %answered) = (0);

my $page = ticket(client(json => 1))->page;
is $page->status, 200, 'with a standby named first, writing works'
    or diag $page->text;
like +(log_lines(qr/database connection failed/))[0], qr/read-only/,
    'the standby was asked and left';


failover('dies', 6, sub { kill 'KILL', $first->pids });

# the old one's files are a standby's now
rename $first->data_dir, $first->data_dir . '.old' or die $!;
$first->follow($standby, 'first');
$first->start;
($first, $standby) = ($standby, $first);
synchronous($first);

# a hung primary still takes connections
my @hung = $first->pids;
failover('hangs', 12, sub { kill 'STOP', @hung });
kill 'KILL', @hung;

my $mails = client();
my ($person) = sign_up($mails);
is confirm($mails, $person)->status, 303,
    'mail goes out, from the same table on the other host';

done_testing;
$_->stop for $first, $standby;


# something happens to the primary under load; the standby is promoted a second
# later, as a supervisor would
sub failover {
    my ($what, $seconds, $happen) = @_;

    my ($happened, $promoted, %bad);
    my $writer = client(json => 1);
    my $asked = $c->submit($c->get($base), { step => 'send',
        profession => "Métier, $what" }, form => $base);
    my ($id) = ($asked->location // '') =~ m{/demandes/(\d+)};
    ok $id, "$what: a change was asked for" or diag $asked->text;
    my $form = $agent->get("/demandes/$id");
    my $decision;
    my $start = time;
    my @pages = load(long($seconds, 60), 4, sub { ticket($writer) }, 1, sub {
        if (!$happened) {
            $happened = time;
            $decision = decide($form, $id, pending => 1, forget => 1);
            $happen->();
        } elsif (!$promoted && time > $happened + 1) {
            $standby->promote;
            $promoted = time;
        }
    });

    my @good = grep { $_->status == 200 } @pages;
    $bad{ $_->status }++ for grep { $_->status !~ /^(?:200|503)$/ } @pages;
    my ($back) = sort { $a <=> $b } map { $_->{time} + $_->took }
        grep { $_->{time} > $happened } @good;
    note explain tally(@pages);
    cmp_ok scalar @good, '>', 100, "$what: written before and after";
    is_deeply \%bad, {}, "$what: 200 or 503";
    ok $back, "$what: writing goes on" or return;
    note sprintf '%s: %.2f s after the promotion, %.2f s in all', $what,
        $back - $promoted, $back - $happened;
    cmp_ok $back - $promoted, '<', 8, "$what: within seconds of it";
    my ($slow) = sort { $b <=> $a } map { $_->took } @pages;
    cmp_ok $slow, '<', 6, "$what: nobody waits for long";

    $answered{ $_->json->{number} } = 1 for @good;
    my %there = map { $_->[0] => 1 }
        $standby->query('select distinct number from portal.ticket');
    is_deeply [grep { !$there{$_} } keys %answered], [],
        "$what: all that was answered is there";
    is_deeply [$standby->query('select number from portal.ticket
        group by 1 having count(*) > 1')], [], "$what: nothing twice";
    is $c->get('/famille')->status, 200, "$what: who was logged in still is";

    # the decision that was on its way: done or not, and sent again done once
    like $decision->page->status, qr/^(?:303|503)$/,
        "$what: the decision was answered, or nobody knows";
    my $again;
    ok wait_for(10, sub {
        $again = decide($form, $id);
        $again->status == 303;
    }), "$what: sent again" or diag $again->text;
    is_deeply [$standby->query("select s.state, s.version, g.profession,
        (select count(*) from portal.audit a where a.action = 'decide'
            and a.outcome = 'accepted' and a.object_id = s.id),
        (select count(*) from portal.outbox o where o.template =
            'change_accepted' and o.data->>'number' = s.number)
        from portal.change_set s join portal.guardian g on g.id = s.guardian_id
        where s.id = $id")], [['accepted', 2,
            Encode::encode('UTF-8', "Métier, $what"), 1, 1]],
        "$what: accepted once, with its audit and mail";
    is sign_in(client(), $couple)->status, 303, "$what: log-in";
}

sub decide {
    my ($form, $id, @how) = @_;

    return $agent->submit($form, { step => 'accept' }, form => "/demandes/$id",
        @how);
}

sub ticket {
    my ($who) = @_;

    return $who->get('/billet?n=' . ++$n, pending => 1);
}

sub standby_of {
    my ($primary, $name) = @_;

    my $new = Portal::Database->new(dir => $p->dir . "/$name");

    $new->follow($primary, $name);
    $new->start;

    return $new;
}

# nothing is answered before the standby has it
sub synchronous {
    my ($primary) = @_;

    wait_for(10, sub {
        $primary->query('select count(*) from pg_stat_replication');
    }) or die "no replication\n";
    $primary->more("synchronous_commit = on\nsynchronous_standby_names = '*'");
    $primary->reload;
}
