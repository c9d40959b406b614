#!/usr/bin/perl

# Far more log-ins at once than the machine can hash: a bounded number waits,
# the rest hears 503 at once, and pages are served all the while.

use Portal::Test;

use strict;
use warnings;
use utf8;

use List::Util qw(max sum0);
use POSIX qw(uname);
use Time::HiRes qw(time);

use Portal::Fault;
use Portal::Place qw(slurp);

my $p = portal();
my $couple = account(qr/couple/);
my $c = signed_in($couple);
my $form = client();
my $page = $form->get('/connexion');
$c->get('/famille') for 1 .. 10;

# one browser's form, sent from many addresses: the throttle counts those
sub log_in {
    my ($i, %who) = @_;

    my $from = twin($form, source => sprintf '127.1.%d.%d', $i / 250,
        1 + $i % 250);

    return $from->submit($page, {
        email => "personne.$$.$i\@parents.example",
        password => 'coquelicot vélo 72 orage', %who,
    }, pending => 1);
}

my $flood = long(300, 2000);
my $start = time;
my @sent = map { log_in($_) } 1 .. $flood;
push @sent, log_in($flood + 1, email => $couple->{email},
    password => $couple->{password});

# of each thread: its priority below its worker's, the time that it has run for, its
# number
sub threads {
    return map {
        my $pid = $_;
        my %stat = map { m{(\d+)\z} => [(split ' ', (slurp("$_/stat") // '')
            =~ s/^.*\) //sr)[16, 11]] } glob "/proc/$pid/task/*";
        my $worker = delete $stat{$pid};
        map { [$stat{$_}[0] - $worker->[0], $stat{$_}[1], $_] }
            grep { defined $stat{$_}[1] } keys %stat;
    } $p->nginx->workers;
}

# meanwhile
my (@took, %bad, %calm);
do {
    for my $path (qw(/famille / /aide /static/portal.css)) {
        my $one = $c->get($path);
        push @took, $one->took;
        $bad{"$path " . $one->status}++ if $one->status != 200;
        $calm{$_->[0]}++ for threads();
    }
} while time - $start < 1.5;
my @pages = together(@sent);
my $n = tally(@pages);
note explain $n;

is_deeply \%bad, {}, 'pages are served meanwhile' or diag explain \%bad;

# what a page would wait for takes what pages leave of a core
is_deeply [sort { $a <=> $b } keys %calm], [2, 19], 'hashes give way to a worker'
    or diag explain \%calm;
cmp_ok $calm{19}, '>', @took / 10, 'by far, while nobody waits for long';
is scalar(grep { $_->[0] == 2 } threads()), scalar($p->nginx->workers),
    'one of each worker stays';
@took = sort { $a <=> $b } @took;
cmp_ok $took[@took / 2], '<', patient(0.5), 'fast: ' . scalar(@took) . ' of them';
cmp_ok $took[-1], '<', patient(2.5), 'none waits for the hashes';

is_deeply [grep { !/^(?:303|422|503)$/ } keys %$n], [], '303, 422 and 503 only'
    or diag explain $n;
# on a machine that does other things too the deadline may come first
my $late = grep { $_->status == 503 && $_->took > 9 } @pages;
cmp_ok $late + ($n->{422} // 0), '>=', 60, "those in the queue are answered, but $late";
cmp_ok $n->{422} // 0, '>', 0, 'with a verdict';
cmp_ok $n->{503} // 0, '>=', 1, 'the others are told to come again';
cmp_ok +(sort { $b <=> $a } map { $_->took } @pages)[0], '<', patient(12),
    'none waits longer than the deadline';

my ($busy) = grep { $_->status == 503 } @pages;
refused_busy_ok($busy, undef, 'one of them', 12);

is $p->psql("select count(*) from portal.session where ended_at is null"),
    1 + ($n->{303} // 0), 'sessions: for the right passwords only';

is sign_in(client(source => '127.2.0.1'), $couple)->status, 303,
    'and then log-in works';

# memory for hashes: kept by each worker, no more than its share and one, in no
# dump and no child's
sub kept {
    # two that lie side by side are one mapping
    return map { my $pid = $_;
        sum0 map { /^Size: +(\d+) kB$/m && $1 % 20480 == 0 ? $1 / 20480 : () }
            grep { /^VmFlags:.* dc .*dd /m }
            split /^(?=[0-9a-f]+-[0-9a-f]+ )/m, slurp("/proc/$pid/smaps") // '';
    } $p->nginx->workers;
}

my @kept = kept();
is scalar(grep { $_ >= 1 && $_ <= 2 } @kept), 2, 'memory is kept for the next hash'
    or diag "@kept";

# how many of its pages hold anything: from a hash's a password is guessed for nothing
sub left {
    my ($portal) = @_;

    no warnings 'portable';
    my $pages = 0;

    for my $pid ($portal->nginx->workers) {
        open my $mem, '<:raw', "/proc/$pid/mem" or die "mem of $pid: $!\n";
        for (split /^(?=[0-9a-f]+-[0-9a-f]+ )/m, slurp("/proc/$pid/smaps") // '') {
            next unless /^VmFlags:.* dc .*dd /m && /^Size: +(\d+) kB$/m && $1 % 20480 == 0;
            my ($from, $to) = map { hex } /^([0-9a-f]+)-([0-9a-f]+) /;
            sysseek $mem, $from, 0;
            for (my $at = $from; $at < $to; $at += 1 << 20) {
                sysread($mem, my $piece, 1 << 20) == 1 << 20 or last;
                $pages += grep { /[^\0]/ } unpack '(a4096)*', $piece;
            }
        }
    }

    return $pages;
}

ok wait_for(2, sub { !left($p) }), 'and holds nothing' or diag left($p);


### who has waited long takes a part of a core

sub hurried { return sum0 map { $_->[1] } grep { $_->[0] == 2 } threads() }

# on a machine that does other things too some in the queue may have, says the log
my $hurried = hurried();
my $waited = max slurp($p->nginx->access_log) =~ /"hash":"([0-9.]+)"/g;
ok $hurried == 0 || $waited > 2, 'nobody who has not waited so long'
    or diag "$hurried ticks, $waited s";
my $counted = "select count(*) from portal.attempt where kind = 'sign_in'";
my $before = $p->psql($counted);
# what one worker has room for
@sent = map { log_in(5000 + $_) } 1 .. 60;
# counted: its password is next
wait_for(10, sub { $p->psql($counted) >= $before + 50 });
kill STOP => $p->nginx->workers;
select undef, undef, undef, 2.2;
kill CONT => $p->nginx->workers;
@pages = together(@sent);
$n = tally(@pages);
$late = grep { $_->status == 503 && $_->took > 9 } @pages;
is $late + ($n->{422} // 0), 60, "log-ins go on that waited for two seconds, but $late"
    or diag explain $n;
cmp_ok hurried() - $hurried, '>', 10, 'their hashes give way less';


### a hash that hardly gets any time is overtaken

# what runs for others only may not run at all: here a thread that is stopped
my $ptrace = { x86_64 => 101, aarch64 => 117 }->{(uname)[4]};

sub ptrace {
    my ($what, $tid) = @_;

    # of a string its address would be given
    return syscall($ptrace, $what, 0 + $tid, 0, 0) == 0;
}

SKIP: {
    my ($sent, $tid);
    for my $try (1 .. 50) {
        $sent = log_in(40000 + $try, map { $_ => $couple->{$_} } qw(email password));
        my $end = time + 0.3;
        do { ($tid) = map { $_->[2] } grep { $_->[0] == 19 } threads() }
            until $tid || time > $end;
        # PTRACE_SEIZE, PTRACE_INTERRUPT
        last if $tid && $ptrace && ptrace(0x4206, $tid) && ptrace(0x4207, $tid)
            && waitpid($tid, 0x40000000) == $tid;
        undef $tid;
        $sent->page;
    }
    skip 'no thread may be stopped here', 7 if !$tid;

    my $page = $sent->page;
    is $page->status, 303, 'who waits for it is let in';
    cmp_ok $page->took, '>', 1.8, 'after two seconds';
    cmp_ok $page->took, '<', patient(4), 'and a hash more';

    my @next = map { sign_in(client(source => "127.2.1.$_"), $couple)->took } 1 .. 10;
    cmp_ok +(sort { $b <=> $a } @next)[0], '<', patient(1.5), 'nobody waits for it then'
        or diag "@next";

    my @old = $p->nginx->workers;
    my $log = $p->nginx->error_log;
    $p->nginx->reload;
    ok !wait_for(1.5, sub { !grep { -e "/proc/$_/task/$tid" } @old }),
        'a worker does not end under it';
    ptrace(17, $tid);  # PTRACE_DETACH
    ok wait_for(15, sub { !grep { kill 0, $_ } @old }), 'but after it';
    unlike slurp($log), qr/exited on signal|\[alert\]/, 'in peace';
}


### people who give up do not cost their turn

my @gone = map { log_in(10000 + $_) } 1 .. 100;
select undef, undef, undef, 0.2;
$_->drop(reset => 1) for @gone;
my $hashed = metrics()->{portal_hash_seconds_count};
is sign_in(client(source => '127.2.0.2'), $couple)->status, 303,
    'log-in after a hundred were given up';
cmp_ok metrics()->{portal_hash_seconds_count} - $hashed, '<', 50,
    'before half of theirs had come';

# nor are they guesses, of which there are five
my $owner = new_account();
for my $try (1 .. 7) {
    my @others = map { log_in(20000 + 100 * $try + $_) } 1 .. 60;
    my $sent = log_in(30000, map { $_ => $owner->{$_} } qw(email password));
    # counted, and its password waits behind the others'
    wait_for(2, sub { $p->psql("select count(*) from portal.attempt a
        join portal.account o on o.email_mac = a.key where o.id = $owner->{id}") });
    $sent->drop(reset => 1);
    together(@others);
}
is log_in(30000, map { $_ => $owner->{$_} } qw(email password))->page->status, 303,
    'who gave up again and again with the right password is let in';

ok wait_for(2, sub { !left($p) }), 'nothing is left of the last hash' or diag left($p);
ok wait_for(30, sub { !grep { $_ } kept() }), 'the memory is given back after a while'
    or diag join ' ', kept();


### two at once, neither of which the other writes over

{
    my $two = portal(new => 1, workers => 1, main => 'thread_pool two threads=2 max_queue=64;',
        directives => { portal_hash_pool => 'two' });
    $form = client();
    $page = $form->get('/connexion');

    for my $try (1 .. 3) {
        my @pair = map { log_in(100 * $try + $_) } 1 .. 2;
        is join(' ', map { $_->page->status } @pair), '422 422', 'both answered';
        ok wait_for(2, sub { !left($two) }), 'nothing is left of them' or diag left($two);
    }
}

done_testing;
