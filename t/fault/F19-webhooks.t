#!/usr/bin/perl

# Webhooks on bad days: two nodes send a message once; a worker that is killed
# meanwhile, or a database that is away when it was received, has it sent again
# under the same id; a reload waits for what is under way.

use strict;
use warnings;
use utf8;

use Portal::Fault;
use Portal::Hook;
use Portal::Place qw(wait_for);
use Portal::Test;

expect_complaint(qr/worker process \d+ exited on signal 9/);
expect_complaint(qr/shared memory zone ".*" was locked by/);

my $p = portal(nodes => 2, webhooks => 'interval=200ms timeout=20s allow=127.0.0.1');
my $desk = as_json(scalar agent_client(role => 'administrator'));
my $soft = Portal::Hook->start($p);
my $page = json_post($desk, '/reglages/logiciel', { url => $soft->url, webhook_events => 'both' })->json;
my $path = "/reglages/logiciel/$page->{webhook}{id}";
$soft->secrets($page->{secret});

sub one { return scalar $p->psql($_[0]) }
sub ask { is json_post($desk, $path, { step => 'test', version => $page->{version} })->status, 200, "a test: $_[0]" }
sub all_delivered {
    my ($what) = @_;

    return ok wait_for(60, sub { one("select count(*) from portal.webhook_message where state <> 'delivered'") == 0 }),
        "$what: it is delivered";
}
# as if the lease of whoever has it had run out
sub lease_over { one('update portal.webhook set lease_until = now() where lease is not null returning 1') }
sub ids { my %n; $n{ $_->{headers}{'webhook-id'} }++ for @_; return %n }
# what has come since the number was taken, and each of it is signed
sub since {
    my ($n) = @_;

    my @new = ($soft->received)[$n .. $soft->received - 1];
    is scalar(grep { "@{ $_->{signed_by} }" ne '0' } @new), 0, 'all of it is signed';
    return @new;
}


### two nodes

{
    for my $n (1 .. 12) {
        ask("two nodes, $n");
        ok wait_for(40, sub { one("select count(*) from portal.webhook_message where state = 'delivered'") == $n }), "$n came";
    }
    my %ids = ids(since(0));
    is_deeply [scalar keys %ids, grep { $_ != 1 } values %ids], [12], 'each once';
}


### killed while one is under way

my %killed;
{
    my $n = $soft->received;
    $soft->fault('hold');
    ask('killed');
    $soft->comes($n + 1);
    cheap_ok(client(), 'while the software does not answer');
    kill 'KILL', map { $_->workers } $p->nodes;
    $soft->fault(undef);
    is one("select count(*) from portal.webhook_message where state = 'queued'"), 1, 'nobody has heard how it ended';
    lease_over();
    all_delivered('killed');
    my @new = since($n);
    %killed = ids(@new);
    is scalar(keys %killed), 1, 'it was sent again as the same message';
    cmp_ok scalar(@new), '>=', 2, 'really';
}


### the database is away when it was received

{
    my $n = $soft->received;
    $soft->fault('hold');
    ask('database away');
    $soft->comes($n + 1);
    $p->stop_database('QUIT');
    $soft->fault(undef);
    $p->start_database;
    back_ok(client(), '/connexion', 'after the database', 20);
    # it is marked as soon as that works, or sent again
    lease_over() if !wait_for(20, sub { one("select count(*) from portal.webhook_message where state = 'queued'") == 0 });
    all_delivered('database away');
    # the one of before, which is sent at least once, may come late
    my %ids = ids(since($n));
    delete @ids{keys %killed};
    is scalar(keys %ids), 1, 'as the same message';
    $n = $soft->received;
    ask('afterwards');
    all_delivered('afterwards');
    is scalar(my @new = since($n)), 1, 'and what follows goes once';
}


### a reload waits for what is under way

{
    my $n = $soft->received;
    $soft->fault('hold');
    ask('reload');
    $soft->comes($n + 1);
    my %old = map { $_ => 1 } map { $_->workers } $p->nodes;
    $p->reload;
    ok wait_for(40, sub { grep { !$old{$_} } map { $_->workers } $p->nodes }), 'new workers are there';
    $soft->fault(undef);
    all_delivered('reload');
    is scalar(my @new = since($n)), 1, 'once';
    ok wait_for(40, sub { !grep { $old{$_} } map { $_->workers } $p->nodes }), 'and the old workers go';
}

done_testing;
