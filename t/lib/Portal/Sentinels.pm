package Portal::Sentinels;

# Two Redis servers, the second following the first, and three sentinels over
# them, all on 127.0.0.1 and with passwords.

use strict;
use warnings;

use Portal::Place qw(end_pid free_port make_dir own pid_alive run_as slurp spew
    wait_for);


sub new {
    my ($class, %o) = @_;

    my $self = bless { dir => make_dir($o{dir}, 0755), password => $o{password},
        secret => "sentinels-$$", ports => {} }, $class;

    $self->{ports}{$_} = free_port()
        for qw(redis-1 redis-2 sentinel-1 sentinel-2 sentinel-3);
    spew("$self->{dir}/secret", $self->{secret}, 0400);

    return $self;
}

# what portal_redis takes
sub directive {
    my ($self) = @_;

    return join ' ', 'sentinel=portal',
        (map { "127.0.0.1:$self->{ports}{\"sentinel-$_\"}" } 1 .. 3),
        "password=$self->{password}",
        "sentinel_password_file=$self->{dir}/secret";
}

sub start {
    my ($self) = @_;

    $self->start_redis('redis-1');
    $self->start_redis('redis-2', 'redis-1');
    $self->_start("sentinel-$_", <<"END", '--sentinel') for 1 .. 3;
requirepass $self->{secret}
sentinel sentinel-pass $self->{secret}
sentinel monitor portal 127.0.0.1 $self->{ports}{'redis-1'} 2
sentinel auth-pass portal $self->{password}
sentinel down-after-milliseconds portal 1000
sentinel failover-timeout portal 4000
END
    wait_for(20, sub { $self->ready }) or die "no quorum, see $self->{dir}\n";
}

# every sentinel knows the others and a replica that could take over
sub ready {
    my ($self) = @_;

    for my $name (grep { $self->pid($_) } map { "sentinel-$_" } 1 .. 3) {
        my $master = $self->cli($name, qw(SENTINEL MASTER portal));
        my $replicas = $self->cli($name, qw(SENTINEL REPLICAS portal));

        return if $master !~ /^num-other-sentinels\n2$/m
            || $master !~ /^flags\nmaster$/m
            || $replicas !~ /^master-link-status\nok$/m
            || $replicas !~ /^flags\nslave$/m;
    }

    return 1;
}

sub start_redis {
    my ($self, $name, $of) = @_;

    $self->_start($name, <<"END");
requirepass $self->{password}
masterauth $self->{password}
repl-diskless-sync-delay 0
save ""
appendonly no
@{[ $of ? "replicaof 127.0.0.1 $self->{ports}{$of}" : '' ]}
END
}

sub _start {
    my ($self, $name, $more, @options) = @_;

    my $dir = make_dir("$self->{dir}/$name", 0750, 'redis');
    spew("$dir/redis.conf", <<"END", 0600);
port $self->{ports}{$name}
bind 127.0.0.1
daemonize yes
pidfile $dir/redis.pid
logfile $dir/redis.log
dir $dir
set-proc-title no
$more
END
    own("$dir/redis.conf", 'redis');
    run_as('redis', "$dir/start.log", 'redis-server', "$dir/redis.conf",
        @options) == 0 or die "$name does not start, see $dir\n";
    wait_for(10, sub { $self->cli($name, 'PING') =~ /PONG/ })
        or die "$name does not answer, see $dir/redis.log\n";
}

sub cli {
    my ($self, $name, @command) = @_;

    local $ENV{REDISCLI_AUTH} = $name =~ /^redis/ ? $self->{password}
        : $self->{secret};
    open my $in, '-|', 'sh', '-c', 'exec timeout 2 redis-cli "$@" 2>&1', 'sh',
        '-h', '127.0.0.1', '-p', $self->{ports}{$name}, @command
        or die "redis-cli: $!\n";
    local $/;

    return scalar <$in> // '';
}

sub pid {
    my ($self, $name) = @_;

    my $dir = "$self->{dir}/$name";
    my ($pid) = (slurp("$dir/redis.pid") // '') =~ /(\d+)/;

    return pid_alive($pid, $dir) ? $pid : undef;
}

# the name of the server that says so of itself
sub master {
    my ($self) = @_;

    return (grep { $self->pid($_) && $self->cli($_, 'ROLE') =~ /^master/ }
        qw(redis-1 redis-2))[0];
}

sub stop {
    my ($self) = @_;

    for my $name (sort { $b cmp $a } keys %{ $self->{ports} }) {
        my $pid = $self->pid($name) or next;
        end_pid($pid, "$self->{dir}/$name");
    }
}


1;
