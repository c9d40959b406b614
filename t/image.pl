#!/usr/bin/perl

# The container image: built, run without rights and on a root that is read
# only, beside a private PostgreSQL and Redis.  make test-image runs it; it
# takes minutes and needs root and podman, so make test does not.

use strict;
use warnings;
use utf8;

use Portal::Test;
use Portal::Fault;
use Portal::Place qw(free_port make_dir own slurp spew);

my $TAG = 'localhost/portal:test';
my $NAME = "portal-test-$$";

plan skip_all => 'needs root: the container shares the servers\' sockets'
    if $> != 0;
plan skip_all => 'podman is not installed' if system('command -v podman >/dev/null');
plan skip_all => 'no base image, and no debootstrap to make one'
    if system('podman image exists docker.io/library/debian:bookworm-slim')
    && system('command -v debootstrap >/dev/null');

$ENV{BASE} = 'debootstrap';
is system('t/lib/image', $TAG), 0, 'the image is built, nginx -t in it' or exit 1;

my $image = JSON::PP->new->decode(out('image', 'inspect', $TAG))->[0];
is $image->{Config}{User}, 'www-data', 'it runs as nobody of importance';
is $image->{Config}{StopSignal}, 'SIGQUIT', 'docker stop lets requests end';
ok $image->{Healthcheck} || $image->{Config}{Healthcheck}, 'a health check';
note sprintf '%d MB', $image->{Size} / 1e6;


### the servers, and what is mounted

my $p = Portal::Stack->new(mail => 'file');
$p->prepare;
$p->start_database;
$p->start_redis;
$p->start_mail;

my $port = $p->port;
my $dir = make_dir($p->dir . '/image', 0755);
my $pg = $p->pg->socket_dir;

# conf.d/portal.conf with the private servers in it, and the image's places
$p->{directives} = {
    portal_keys      => '/etc/nginx/portal/keys',
    portal_redis     => 'unix:' . $p->redis_socket
        . ' password_file=/etc/nginx/portal/redis',
    portal_languages => '/usr/share/portal/lang fr en',
    portal_templates => '/usr/share/portal/templates',
    portal_forms     => '/etc/nginx/conf.d/portal/forms',
    portal_photo     => '/usr/local/bin/portal-photo',
};
spew("$dir/portal.conf", join("\n", $p->nginx->_portal_conf, ''), 0644);
make_dir("$dir/sites", 0755);
my $site = slurp('conf.d/image/site.conf');
$site =~ s/8080/$port/g;
$site =~ s/famille\.saint-aubin\.example/localhost/;
spew("$dir/sites/town.conf", $site, 0644);

my $secrets = make_dir("$dir/secrets", 0700, 'nginx');
spew("$secrets/keys", slurp($p->keys), 0400);
spew("$secrets/redis", $p->{redis_password}, 0400);
own("$secrets/$_", 'nginx') for qw(keys redis);

my @flags = (qw(--runtime runc --cgroup-manager cgroupfs));
END { system('podman', @flags, 'rm', '-f', $NAME) if $NAME && @flags }

is system('podman', @flags, qw(run -d --pull=never --name), $NAME,
    qw(--network host --no-healthcheck --read-only --tmpfs /tmp
    --cap-drop all --security-opt no-new-privileges --ulimit nofile=8192:8192
    --ulimit nproc=4096:4096),
    (map { ('-v', $_) } "$dir/portal.conf:/etc/nginx/conf.d/portal.conf:ro",
        "$dir/sites:/etc/nginx/sites-enabled:ro",
        "$secrets:/etc/nginx/portal:ro", "$pg:$pg", $p->mail_dir . ':'
        . $p->mail_dir, map { "$_:$_" } $p->redis_socket =~ m{(.*)/}), $TAG), 0,
    'it starts';
Portal::Test::adopt($p);

my $up = wait_for(20, sub {
    my $page = eval { client()->get('/') };
    $page && $page->title =~ /Saint-Aubin/;
});
ok $up, 'the town answers' or diag out('logs', $NAME);
my $person = account(qr/couple/);
my $c = client();
is sign_in($c, $person)->status, 303, 'log-in' or diag out('logs', $NAME);
is $c->get('/famille')->status, 200, 'the family file';
is $c->get('/static/portal.css')->status, 200, 'the style sheet';
is system('podman', @flags, 'exec', $NAME, 'portal-alive'), 0,
    'the health check\'s command';
like out('exec', $NAME, 'id', '-u'), qr/^33$/m, 'not root';
is system('podman', @flags, 'exec', $NAME, 'sh', '-c', 'echo GIF89a | portal-photo') >> 8, 11,
    'portal-photo has its sandbox here, too, and says what is no photo';
isnt system('podman', @flags, 'exec', $NAME, 'sh', '-c', ': >/etc/nginx/x'), 0,
    'nothing in it can be changed';
like out('logs', $NAME), qr{"path":"/famille","status":200},
    'the log goes out, in the portal\'s format';

my $undo = slow_function('my_space', 1);
my $slow = $c->get('/mon-espace', pending => 1);
sleeping(1);
is system('podman', @flags, 'stop', '-t', '20', $NAME), 0, 'stopped';
is $slow->page->status, 200, 'the request in flight was finished'
    or diag out('logs', '--tail', '12', $NAME);
like out('inspect', '--format', '{{.State.ExitCode}}', $NAME), qr/^0$/,
    'it ended by itself';
$undo->();

done_testing;


sub out {
    my (@command) = @_;

    open my $in, '-|', 'sh', '-c', 'exec "$@" 2>&1', 'sh', 'podman', @flags,
        @command or die "podman: $!\n";
    local $/;

    return scalar(<$in>) // '';
}
