#!/usr/bin/perl

# "make run" as who has a private umask, in a clone that only its owner may
# enter, with an accent in its path; twice, then "make stop".

use strict;
use utf8;
use warnings;

use File::Temp qw(tempdir);
use IO::Socket::INET;
use JSON::PP ();
use Test::More;

use Portal::Place qw(free_port slurp top wait_for);

my $place = tempdir('portal-run-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my $clone = "$place/b\xc3\xa9ta";
my $port = free_port();
my $top = top();

umask 077;
mkdir $clone or die "mkdir $clone: $!\n";
system('cp', '-R', '--preserve=timestamps',
    (map { "$top/$_" } qw(Makefile config conf.d sql src t)), $clone) == 0 or die "cp failed\n";
mkdir "$clone/build";
system('cp', '-R', '--preserve=timestamps',
    (map { "$top/build/$_" } qw(nginx portal-photo portal-tool)), "$clone/build") == 0 or die "cp failed\n";
chmod 0700, $place, $clone;

# the directory of its servers, as an earlier run under such an umask left it
my $var = "$place/var";
mkdir $var;
chmod 0755, $place;

sub do_make {
    my ($what) = @_;

    my $said = qx(cd '$clone' && umask 077 && PORTAL_VAR='$var' PORT=$port make $what 2>&1);

    is $?, 0, "make $what" or diag $said;

    return $said;
}

sub get {
    my ($path) = @_;

    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port, Timeout => 5)
        or return '';
    print $s "GET $path HTTP/1.0\r\nHost: localhost:$port\r\n\r\n";
    local $/;

    return scalar(<$s>) // '';
}

my $end = sub { qx(cd '$clone' && PORTAL_VAR='$var' make -s stop 2>&1) };

for my $time (qw(first second)) {
    my $said = do_make('run');
    my $file = "$clone/.run/demo.json";
    like $said, qr/^all of it +\Q$file\E$/m, 'it says where all of it is';
    my $demo = JSON::PP->new->utf8->decode(slurp($file));
    is $demo->{url}, "http://localhost:$port", "$time time: the address";
    is sprintf('%o', (stat $file)[2] & 07777), '600', 'for its owner alone';

    my @paths = map { utf8::encode(my $path = $_); $path } $demo->{mail_dir}, $demo->{directory},
        $demo->{import_sample}, $demo->{keys}, @{ $demo->{nginx} }{qw(conf error_log pid_file)};
    is_deeply [grep { !m{^/} || !-e } @paths], [], 'absolute paths, of what is there';
    cmp_ok scalar(grep { $_->{state} eq 'free' } @{ $demo->{codes} }), '>=', 3, 'free codes';

    like get('/'), qr{^HTTP/1\.1 200 .*Cr\xc3\xa9er un compte}s, 'the home page';
    like get('/aide'), qr{^HTTP/1\.1 200 }, 'another one';
    my ($css) = get('/') =~ m{href="(/[^"]+\.css[^"]*)"};
    like get($css), qr{^HTTP/1\.1 200 }, 'and what workers read themselves';
}

do_make('stop');
ok !-e "$clone/.run/demo.json", 'nothing says where it is';
ok wait_for(10, sub { get('/') eq '' }), 'and nothing answers';

done_testing;

END { local $?; $end->() if $end }
