#!/usr/bin/perl

# A master of Redis that is cut off from its replica takes no writes
# (min-replicas-to-write): no log-in, pages go on.  While both sides answer as
# masters, PostgreSQL decides who is logged out; when they are one again, what
# only the losing side knew is asked for again.

use Portal::Test;

use strict;
use warnings;
use utf8;

use Portal::Fault;
use Portal::Place qw(end_pid free_port make_dir own spawn spew);

my $p = portal(server => gate_only());
my $couple = account(qr/couple/);

### a replica

my $port = free_port();
my $dir = make_dir($p->dir . '/replica', 0750, 'redis', 'nginx');
my $socket = "$dir/redis.sock";

$p->redis_cli('CONFIG', 'SET', 'bind', '127.0.0.1');
$p->redis_cli('CONFIG', 'SET', 'port', $port);
$p->redis_cli('CONFIG', 'SET', 'repl-diskless-sync-delay', 0);
spew("$dir/redis.conf", <<"END", 0600);
port 0
unixsocket $socket
unixsocketperm 777
requirepass $p->{redis_password}
masterauth $p->{redis_password}
replicaof 127.0.0.1 $port
dir $dir
save ""
appendonly no
repl-diskless-load on-empty-db
END
own("$dir/redis.conf", 'redis');
my $replica = spawn('redis', "$dir/redis.log", 'redis-server',
    "$dir/redis.conf");

END {
    local $?;
    end_pid($replica, 'redis-server') if $replica;
}

sub replica_cli {
    my (@command) = @_;

    local $ENV{REDISCLI_AUTH} = $p->{redis_password};
    open my $in, '-|', 'sh', '-c', 'exec redis-cli "$@" 2>/dev/null', 'sh',
        '-s', $socket, @command or die "redis-cli: $!\n";
    local $/;

    return scalar <$in> // '';
}

sub linked {
    return wait_for(20, sub {
        replica_cli('INFO', 'replication') =~ /master_link_status:up/
            && $p->redis_cli('SET', 'seen:test', 1, 'EX', 5) =~ /OK/
    });
}

sub refused {
    return wait_for(20, sub {
        $p->redis_cli('SET', 'seen:test', 1, 'EX', 5) =~ /NOREPLICAS/;
    });
}

ok linked(), 'the replica follows';
$p->redis_cli('CONFIG', 'SET', 'min-replicas-max-lag', 2);
$p->redis_cli('CONFIG', 'SET', 'min-replicas-to-write', 1);
ok linked(), 'and is asked for';


### who is there before

my $c = signed_in($couple);
my $later = signed_in(qr/two families/);
my $leaver = signed_in(new_account());
my $elsewhere = signed_in(new_account());
my $town = client(town => 'beaulieu');
my $citizen = new_account(town => 'beaulieu');
is sign_in($town, $citizen)->status, 303, 'log-in';
ok tracked(), 'each worker hears of changes';
$_->get('/mon-espace'), $_->get('/prive')
    for ($c, $leaver, $elsewhere, $town) x 3;
my $form = $town->submit($town->get('/mes-abonnements/nouveau'),
    { code => free_code(town => 'beaulieu')->{code}, step => 'search' });
is $form->status, 200, 'a code is found';

my $live = 'select count(*) from portal.session where ended_at is null';
my $tried = "select count(*) from portal.audit where action = 'sign_in'";

# no log-in, no session begun, and once a worker knows, nothing at all
sub no_login {
    my ($name) = @_;
    my $before = $p->psql($live);

    my @pages = map {
        my $x = client(stack => $p, source => "127.6.0.$_");
        my $page = $x->submit($x->get('/connexion'),
            { map { $_ => $couple->{$_} } qw(email password) });
        refused_busy_ok($page, undef, "$name: log-in", 3) if $_ == 1;
        ok !defined $x->cookie('__Host-portal'), "$name: no cookie";
        $page;
    } 1 .. 8;
    is_deeply tally(@pages), { 503 => 8 }, "$name: no log-in";
    ok wait_for(5, sub { $p->psql($live) == $before }),
        "$name: no session is left" or diag $p->psql($live), ' ', $before;

    # both workers know by now, or learn it here
    my @forms = map {
        my $x = client(stack => $p, source => "127.6.1.$_");
        [$x, $x->get('/connexion')];
    } 1 .. 6;
    my $quiet = 0;
    ok wait_for(10, sub {
        my $count = $p->psql($tried);
        together(map {
            $_->[0]->submit($_->[1], { map { $_ => $couple->{$_} }
                qw(email password) }, pending => 1)
        } @forms);
        $quiet = $p->psql($tried) == $count ? $quiet + 1 : 0;
        $quiet == 3;
    }), "$name: then nobody's password is even tried";
}

sub goes_on {
    my ($name) = @_;

    is $c->get($_)->status, 200, "$name: $_ of one who is known"
        for qw(/famille /mon-espace /mes-abonnements /prive);
    is_deeply tally(together(map { $c->get('/famille', pending => 1) } 1 .. 20)),
        { 200 => 20 }, "$name: many times";
    is $later->get('/famille')->status, 200, "$name: who is only in Redis";
    cheap_ok(client(stack => $p), $name);
}

sub workers_that_logged {
    my ($pattern) = @_;
    my %pids = map { /(\d+)#/ ? ($1 => 1) : () } log_lines($pattern);

    return join ' ', sort keys %pids;
}


### cut off

kill 'STOP', $replica;
ok refused(), 'the replica is cut off: writes are refused';

goes_on('cut off');
no_login('cut off');

my $code = 'select count(*) from portal.code where used_at is not null';
my $used = $p->psql($code);
is $town->submit($form, { step => 'add' })->status, 503,
    'cut off: what would renew the session';
is $p->psql($code), $used, 'cut off: is not begun';
is $town->get('/mon-espace')->status, 200, 'cut off: and the session stays';

my $twin = twin($leaver);
is $leaver->submit($leaver->get('/mon-espace'), {}, form => '/deconnexion')
    ->status, 303, 'cut off: log-out';
is $twin->get($_)->status, 303, "cut off: out of $_"
    for ('/famille', '/prive') x 4;
goes_on('still cut off');

kill 'CONT', $replica;
ok linked(), 'the replica is back';
ok wait_for(10, sub { grep { $_->status == 303 } sign_in(client(), $couple) }),
    'log-in is back by itself';
# a worker finds out by itself, with its next beat
my $cut = workers_that_logged(qr/redis refused \S+ NOREPLICAS/);
isnt $cut, '', 'the log tells which workers were refused';
ok wait_for(5, sub { workers_that_logged(qr/redis takes writes again/) eq $cut }),
    'and that they no longer are' or diag "of $cut";
is_deeply tally(map { sign_in(client(source => "127.6.2.$_"), $couple) } 1 .. 6),
    { 303 => 6 }, 'for everybody';
is $town->submit($form, { step => 'add' })->status, 303,
    'the form sent again';
is $p->psql($code), $used + 1, 'once';
is $c->get('/prive')->status, 200, 'who was logged in still is';
is $twin->get('/prive')->status, 303, 'who logged out is still out' for 1 .. 4;


### two masters, a node on each side

my $second = Portal::Test::adopt(Portal::Stack->start(
    server => gate_only(), mail => 'file', external => {
        database => $p->pg->conninfo('portal_web'),
        jobs => $p->pg->conninfo('portal_jobs'), keys => $p->keys,
        redis => "unix:$socket password=$p->{redis_password}",
    }));

sub there {
    my ($who) = @_;

    my $from = client(stack => $second, town => $who->{town});
    %{ $from->cookies } = %{ $who->cookies };

    return $from;
}

replica_cli('REPLICAOF', 'NO', 'ONE');
ok refused(), 'the replica is a master: the other one takes no writes';
ok wait_for(8, sub {
    replica_cli('INFO', 'clients') =~ /^tracking_clients:[2-9]/m
        && there($elsewhere)->get('/prive')->status == 200
}), 'the second node knows whom both masters know';

goes_on('split');
no_login('split');

$twin = twin($elsewhere, stack => $p);
my $away = there($elsewhere);
is $away->submit($away->get('/mon-espace'), {}, form => '/deconnexion')->status,
    303, 'split: a log-out at the second node';
is $twin->get('/mon-espace')->status, 303, 'split: PostgreSQL knows at once';
ok wait_for(15, sub { $twin->get('/prive')->status == 303 }),
    'split: and what only the gate guards before long';
is $twin->get('/prive')->status, 303, 'split: for good' for 1 .. 6;

my $new = client(stack => $second);
is sign_in($new, $couple)->status, 303, 'split: a log-in at the second node';
is $new->get('/famille')->status, 200, 'split: is good there';


### one again: the side that had taken the writes loses them

replica_cli('REPLICAOF', '127.0.0.1', $port);
ok linked(), 'one master';
ok wait_for(10, sub { grep { $_->status == 303 } sign_in(client(stack => $p),
    $couple) }), 'log-in is back by itself';
is there($twin)->get('/prive')->status, 303, 'who logged out is out there'
    for 1 .. 4;
is $twin->get($_)->status, 303, "and here: $_" for ('/famille', '/prive') x 3;
like $new->get('/famille')->status, qr/^(?:200|303)$/,
    'who logged in there goes on or logs in again';
my $lost = twin($new, stack => $p);
is $lost->get('/famille')->status, 303, 'here to the log-in page';
is $lost->get('/famille')->location, '/connexion?suite=%2Ffamille', 'led there'
    if !$lost->cookie('__Host-portal');
is $c->get($_)->status, 200, "who was logged in still is: $_"
    for '/famille', '/prive';

cmp_ok scalar(log_lines(qr/redis/i)), '<', 120, 'the log is not flooded';
$second->stop;

done_testing;
