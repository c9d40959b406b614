#!/usr/bin/perl

# The process that a photo is decoded in crashes, hangs, says too much, or is
# not there: the one request hears of it, and nobody else.  A module for tests
# alone, t/photo/desk.c, hands the bodies of POSTs to the service.

use Portal::Test;

use strict;
use warnings;
use utf8;

use Portal::Fault;
use Portal::Nginx;
use Portal::Place qw(spew);

# the module is made for the nginx that runs here
my $objs = Portal::Nginx->sanitized ? 'build/sanitized/objs' : 'build/nginx';
plan skip_all => 'a module of another nginx' if defined $ENV{PORTAL_MODULE};
is system('make', '-s', "NGINX_OBJS=$objs", 'photo-programs'), 0, 'built';

my $p = portal(
    photo => 'build/unit/photo-tricks processes=1 queue=3',
    main => 'load_module ' . top() . "/$objs/photo_desk.so;",
    server => <<'END',
        location = /photo {
            photo_desk 2s;
            client_max_body_size 12m;
            client_body_buffer_size 12m;
        }
END
);
my $nginx = $p->nginx;
my $program = $p->dir . '/portal-photo';
my $c = client();

my $jpeg = do {
    spew($p->dir . '/in.ppm', "P6\n64 48\n255\n" . "\xff\x10\x20" x (64 * 48));
    my $dir = $p->dir;
    `cjpeg $dir/in.ppm`;
};

sub send_photo {
    my ($body, %o) = @_;

    return ($o{from} // $c)->post('/photo', $body, %o,
        headers => { 'Content-Type' => 'image/jpeg' });
}

sub trick { return send_photo("TRICK $_[0]", @_[1 .. $#_]) }

# [worker, process] of each process that is a worker's child, by state
sub children {
    my ($state) = @_;

    my @found;
    for my $worker ($nginx->workers) {
        for my $pid (split ' ', slurp_("/proc/$worker/task/$worker/children")) {
            my ($is) = slurp_("/proc/$pid/stat") =~ /\) (\w)/;
            push @found, [$worker, $pid] if $is && (!$state || $is eq $state);
        }
    }

    return @found;
}

sub slurp_ { return Portal::Place::slurp($_[0]) // '' }

sub works {
    my ($when, $seconds) = @_;

    my $page;
    ok wait_for($seconds // 5, sub { $page = send_photo($jpeg); $page->status == 200 }),
        "$when: a photo is made small" or diag $page->status, ' ', $page->content;
}

# what is new in the log about photos
my $seen = 0;
sub said {
    my @lines = log_lines(qr/photo/);
    my @new = @lines[$seen .. $#lines];
    $seen = @lines;
    return @new;
}

my @workers = $nginx->workers;


### as it should be

my $before = metrics();
my $page = send_photo($jpeg);
is $page->status, 200, 'a photo';
like $page->content, qr/\A\xff\xd8.*\xff\xd9\z/s, 'a JPEG comes back';
is send_photo('GIF89a')->status, 422, 'another type is refused';
is send_photo('GIF89a')->content, 'type', 'and why';
is send_photo(substr $jpeg, 0, -2)->content, 'damaged', 'cut short';
is send_photo('x' x (10 * 1024 * 1024 + 1))->content, 'size', 'too large';
is send_photo($jpeg . 'x' x (10 * 1024 * 1024 - length $jpeg))->status, 200, '10 MB';
is send_photo('')->content, 'type', 'nothing';

my $after = metrics();
my %moved = map { /\{outcome="(\w+)"/ ? ($1 => $after->{$_} - ($before->{$_} // 0)) : () }
    grep { /^portal_photos_total/ } keys %$after;
is_deeply \%moved, { ok => 2, refused => 5, busy => 0, down => 0, lost => 0 }, 'counted';
cmp_ok $after->{portal_photo_seconds_total}, '>', 0, 'and measured';
is_deeply [said()], [], 'nothing of this is worth a line';


### what the process has

{
    my $hang = trick('hang', pending => 1);
    my @found;
    # between fork and exec it is nginx still
    ok wait_for(5, sub {
        @found = grep { slurp_("/proc/$_->[1]/cmdline") eq "$program\0" }
            children('R');
    }), 'a process at work, without arguments';
    my ($worker, $pid) = @{ $found[0] // [0, 0] };
    is slurp_("/proc/$pid/comm"), "portal-photo\n", 'it is the program';
    is slurp_("/proc/$pid/environ"), '', 'without environment';
    SKIP: {
        skip 'only root may look', 2 if $> != 0;
        # the loader has a library open for a moment
        my %fd;
        wait_for(5, sub {
            %fd = map { m{(\d+)$} ? ($1 => readlink) : () } glob "/proc/$pid/fd/*";
            keys %fd == 3;
        });
        is_deeply [sort keys %fd], [0, 1, 2], 'three descriptors' or diag explain \%fd;
        is_deeply [map { s/\d+/N/r } @fd{0, 1, 2}], ['socket:[N]', 'socket:[N]', '/dev/null'],
            'a socket and nothing';
    }
    is slurp_("/proc/$pid/status") =~ /^Uid:\s+(\d+)/m ? $1 : -1,
        slurp_("/proc/$worker/status") =~ /^Uid:\s+(\d+)/m ? $1 : -2, 'as the worker';
    ok wait_for(5, sub { metrics()->{portal_photo_running} == 1 }), 'it is counted'
        or diag metrics()->{portal_photo_running};
    cheap_ok($c, 'meanwhile');
    is $hang->page->status, 500, 'it is waited for';
    ok wait_for(5, sub { metrics()->{portal_photo_running} == 0 }), 'and its end seen';
}


### what it may do

said();
for (['crash', 500, qr/ended on signal 11/], ['open', 500, qr/ended on signal 31/],
    ['silence', 500, qr/exited with code 0/], ['nonsense', 500, qr/exited with code 97/],
    ['flood', 500, qr/was killed/], ['sandbox', 502, qr/exited with code 20, it has no sandbox/],
    ['hang', 500, qr/took more than 5000 ms, killed|ended on signal 9/])
{
    my ($name, $status, $line) = @$_;
    is trick($name)->status, $status, "T133 $name: the request hears of it";
    my @lines = said();
    like "@lines", qr/\A\S+ \S+ \[error\] (?:(?!\n).)*photo process \d+ $line, client: (?:(?!\n).)*\n\z/,
        'T133 one line says it' or diag @lines;
}
works('after all that');
is_deeply [$nginx->workers], \@workers, 'T133 the workers are the same';
ok wait_for(5, sub { !children() }), 'no process is left, alive or dead';

# one that does not even listen, while 10 MB are on their way
unlink $program;
system 'cp', '/bin/true', $program;
is send_photo('x' x 10_000_000)->status, 500, 'a process that has gone meanwhile';
unlink $program;
is send_photo($jpeg)->status, 502, 'no program';
spew($program, 'no program', 0755);
is send_photo($jpeg)->status, 502, 'no such program';
# after an upgrade of the system that has taken a library away
{
    my $bytes = slurp_(top() . '/build/unit/photo-tricks');
    is $bytes =~ s/\blibwebp\.so\.\d+\0/"libwebp.so.x\0" . "\0" x (length($&) - 13)/ge, 1, 'a library';
    unlink $program;
    open my $out, '>:raw', $program or die "$program: $!\n";
    print $out $bytes;
    close $out or die "$program: $!\n";
    chmod 0755, $program;
}
is send_photo($jpeg)->status, 502, 'a program that does not load';
system 'cp', top() . '/build/unit/photo-tricks', "$program.new";
rename "$program.new", $program;
works('with the program');
my @why = said();
is scalar(grep { /could not be started/ } @why), 2, 'the log says so';
is scalar(grep { /exited with code 127, a library is missing/ } @why), 1, 'and of the library';


### more than it can do

{
    my $hang = trick('hang', pending => 1);
    ok wait_for(5, sub { children('R') }), 'one hangs';

    said();
    my @sent = map { send_photo($jpeg, pending => 1) } 1 .. 20;
    my $most = 0;
    ok wait_for(5, sub { my $n = children(); $most = $n if $n > $most;
        metrics()->{portal_photo_waiting} >= 3 }), 'others wait';
    my @pages = together(@sent);
    my $n = tally(@pages);
    note explain $n;
    is_deeply [grep { !/^(?:200|503)$/ } keys %$n], [], 'they hear that it is busy';
    my @lines = said();
    cmp_ok scalar(grep { /photo queue is full/ } @lines), '>=', 1, 'at once';
    cmp_ok scalar(grep { /no turn to look at a photo in time/ } @lines), '>=', 1,
        'or when their time is over';
    is scalar(grep { /queue is full|no turn to look/ } @lines), $n->{503} // 0, 'the log says so';
    is $hang->page->status, 500, 'the one that hung is over';
    is $most, 1, 'one process at a time';
    works('then');

    # all at once, and each has its turn: of both workers
    my $done = 0;
    for (1 .. 5) {
        my @all = together(map { send_photo($jpeg, pending => 1) } 1 .. 4);
        $done += grep { $_->status == 200 } @all;
    }
    is $done, 20, 'four at a time wait for each other';
}


### who leaves

{
    trick('slow', pending => 1)->drop(reset => 1) for 1 .. 3;
    $_->drop(reset => 1) for map { send_photo($jpeg . 'x' x 9_000_000, pending => 1) } 1 .. 4;
    works('after seven that left', 20);
    ok wait_for(20, sub { !children() }), 'no process is left';
    ok wait_for(5, sub { metrics()->{portal_photo_waiting} == 0 }), 'nobody waits';
}
is_deeply [$nginx->workers], \@workers, 'the workers are the same';


### reload, quit, kill

{
    my $slow = trick('slow', pending => 1);
    ok wait_for(5, sub { children('R') }), 'at work';
    $nginx->reload;
    is $slow->page->content, 'slow', 'a reload waits for the photo';
    works('after it');
    ok wait_for(12, sub { $nginx->workers == 2 }), 'old workers go';
}

{
    expect_complaint(qr/worker process \d+ exited on signal 9/);
    my $hang = trick('hang', pending => 1);
    my @found;
    ok wait_for(5, sub { @found = children('R') }), 'at work';
    kill 'KILL', $found[0][0];
    ok wait_for(5, sub { (grep { $_ != $found[0][0] } $nginx->workers) == 2 }), 'a worker is killed';
    # its turn is anyone's when its lease is over
    works('after it', 20);
    ok wait_for(60, sub { !kill 0, $found[0][1] }), 'its process ends by itself';
    $hang->drop;
}

{
    my $hang = trick('hang', pending => 1);
    my @found;
    ok wait_for(5, sub { @found = children('R') }), 'at work';
    $p->stop_nginx('TERM');
    ok !kill(0, $found[0][1]), 'nginx stops: no process stays';
    $hang->drop;
    $p->start_nginx;
    works('again');
}


### nginx -t

{
    my $file = $nginx->dir . '/conf/nginx.conf';
    my $conf = slurp_($file);
    my $dir = $p->dir;
    expect_complaint(qr/is no program|invalid |"portal_photo" directive is duplicate|takes pictures/);
    for (["$dir/none", qr/"\Q$dir\E\/none" is no program; write where portal-photo is/],
        [$dir, qr/is no program/], ["$dir/keys", qr/is no program/],
        ["$program workers=2", qr/invalid parameter "workers=2"; write "processes=" or "queue="/],
        ["$program processes=0", qr/invalid "processes=0"/],
        ["$program;portal_photo $program", qr/"portal_photo" directive is duplicate/])
    {
        my ($value, $want) = @$_;
        spew($file, $conf =~ s/^portal_photo\s[^;]*;/portal_photo $value;/mr, 0600);
        my ($ok, $text) = $nginx->test_conf;
        ok !$ok, "portal_photo $value: not with this";
        like $text, $want, 'and why';
        like $text, qr/nginx\.conf:\d+$/m, 'and where';
    }
    spew($file, $conf =~ s/^portal_photo\s[^;]*;//mr, 0600);
    my ($ok, $text) = $nginx->test_conf;
    ok !$ok, 'without portal_photo: not with a form that takes photos';
    like $text, qr/form "child_photo" takes pictures; write "portal_photo PROGRAM"/, 'and why';
    spew($file, $conf, 0600);
}

done_testing;
