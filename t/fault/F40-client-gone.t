#!/usr/bin/perl

# The client goes at any moment: in the request, while PostgreSQL, Redis or the
# hash works, in the answer.  No alert, no leak, and what was begun is finished.

use Portal::Test;

use strict;
use warnings;
use utf8;

use Time::HiRes qw(sleep);

use Portal::Fault;
use Portal::Pending;
use Portal::Place qw(slurp);

my $p = portal();
my $couple = account(qr/couple/);
my $c = signed_in($couple);
my $form = client();
my $sign_in = $form->get('/connexion');

# all the bytes of a request, to send a part of
sub bytes {
    my ($c, @request) = @_;

    my $got;
    no warnings 'redefine';
    local *Portal::Pending::new = sub { $got = $_[2]; bless {}, 'Portal::Gone' };
    my ($method, @rest) = @request;
    $c->$method(@rest, pending => 1);

    return $got;
}

sub Portal::Gone::page { }

my $get = bytes($c, get => '/famille');
my $post = bytes($form, submit => $sign_in,
    { email => "personne.$$\@parents.example", password => 'x' x 40 });
my $undo = slow_function('my_space', 0.3);
my $slow = bytes($c, get => '/mon-espace');

# sends so many bytes, waits, goes
sub leave {
    my ($bytes, $length, $after, $reset) = @_;

    my $sent = Portal::Pending->new($c->socket, substr($bytes, 0, $length),
        sub { });

    sleep $after if $after;
    $sent->drop(reset => $reset);
}

sub round {
    my ($times) = @_;

    for my $i (1 .. $times) {
        for my $bytes ($get, $post) {
            my $length = 1 + int rand length $bytes;
            leave($bytes, $length, $i % 5 ? 0 : 0.002, $i % 4);
        }
        leave($get, length $get, $i % 3 * 0.001, $i % 4);
        leave($slow, length $slow, $i % 3 * 0.02, $i % 4) if $i % 5 == 0;

        # the hash, from many addresses
        if ($i % 5 == 0) {
            my $from = twin($form, source => "127.4.0.$i");
            my $sent = $from->submit($sign_in,
                { email => "personne.$$.$i\@parents.example",
                password => 'x' x 40 }, pending => 1);
            sleep 0.005 * ($i % 4);
            $sent->drop(reset => $i % 4);
        }
    }
}

# the middle of what each worker holds, once all is quiet
sub sizes {
    wait_for(10, sub {
        $p->psql("select count(*) from pg_stat_activity
            where usename = 'portal_web' and state <> 'idle'") == 0;
    });
    $c->get('/famille') for 1 .. 20;
    sleep 0.5;

    return worker_sizes();
}

# A worker keeps what its first hash and its connections took, and which of them
# takes a request nobody can say: it grows once, but a leak grows each time.
my ($before, $after, @grown);
my $first = join ' ', sort keys %{ worker_sizes() };
for my $n (1 .. 8) {
    together((map { my $from = twin($form, source => "127.4.$n.$_");
        $from->submit($sign_in, { email => "personne.$$.$n.$_\@parents.example",
            password => 'x' x 40 }, pending => 1) } 2 .. 13),
        map { $c->get('/mon-espace', pending => 1) } 1 .. 8);
    round(100);
    ($before, $after) = ($after // sizes(), undef);
    for (1 .. long(2, 30)) { round(100) }
    $after = sizes();

    # freed memory is kept for later by the sanitizers
    @grown = grep { ($after->{$_}{rss} - ($before->{$_}{rss} // 0) >= 1500
            && !$p->nginx->sanitized)
        || abs($after->{$_}{files} - ($before->{$_}{files} // 0)) > 3 } keys %$after;
    last if !@grown;
}
is join(' ', sort keys %$after), $first, 'the same workers';
is_deeply \@grown, [], 'memory and open files do not grow with each round'
    or diag explain [$before, $after];
cmp_ok database_connections(), '<=', 4, 'the pool has its size';
back_ok($c, '/famille', 'afterwards', 3);
is sign_in(client(source => '127.4.1.1'), $couple)->status, 303, 'and log-in';
$undo->();

### what changes something is finished without its client

my $writer = signed_in(qr/unlinked/, source => '127.4.1.2');
my $code = free_code(town => 'saint-aubin');
my $found = $writer->submit($writer->get('/mes-abonnements/nouveau'),
    { code => $code->{code}, step => 'search' });
my $count = 'select count(*) from portal.subscription';
my $had = $p->psql($count);
$undo = slow_function('subscribe', 0.4);

my $sent = $writer->submit($found, { step => 'add' }, pending => 1,
    forget => 1);
ok sleeping(1), 'it is written';
$sent->drop(reset => 1);
ok wait_for(3, sub { $p->psql($count) == $had + 1 }), 'the subscription is there';
is $writer->submit($found, { step => 'add' })->status, 303,
    'the form again: the same answer';
is $p->psql($count), $had + 1, 'and no second one';

### what shows something is noticed to have no client, before PostgreSQL answers

my $noticed = sub {
    return scalar grep { m{"path":"/mon-espace","status":499,} }
        split /^/, slurp($p->nginx->access_log);
};
$had = $noticed->();
$undo = slow_function('my_space', 1);
$sent = $c->get('/mon-espace', pending => 1, forget => 1);
ok sleeping(1), 'it is read';
$sent->drop(reset => 1);
ok wait_for(3, sub { $noticed->() == $had + 1 }), 'the log says that the client has gone';
$undo->();

### a client that leaves while PostgreSQL hangs

my @pids = $p->pg->pids;
kill 'STOP', @pids;
leave($get, length $get, 0.01, $_ % 2) for 1 .. 20;
sleep 4;
kill 'CONT', @pids;
back_ok($c, '/famille', 'PostgreSQL hung', 8);

### and while Redis does

my $unknown = bytes(twin($c), get => '/famille')
    =~ s/(__Host-portal=)[^;\r]*/$1 . 'A' x 43/er;
kill 'STOP', $p->redis_pid;
leave($unknown, length $unknown, 0.01 * ($_ % 5), $_ % 2) for 1 .. 20;
sleep 0.5;
kill 'CONT', $p->redis_pid;
back_ok($c, '/famille', 'Redis hung', 8);

is join(' ', sort $p->nginx->workers), $first, 'still the same workers';

done_testing;
