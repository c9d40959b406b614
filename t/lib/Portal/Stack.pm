package Portal::Stack;

# The portal with private servers: PostgreSQL, Redis, mail and nginx, in one
# directory of their own.  `make run` and the tests both start it from here.
#
#     my $stack = Portal::Stack->start;     # everything, demo families in it
#     $stack->url('saint-aubin');           # http://localhost:PORT
#     $stack->stop;                         # also at the end of the program

use strict;
use warnings;

use File::Copy ();
use File::Find ();
use File::Path qw(remove_tree);
use JSON::PP ();
use Time::HiRes qw(sleep);

use Portal::Balancer;
use Portal::Database;
use Portal::Nginx;
use Portal::Place qw(base end_pid free_port lock make_dir own pid_alive run_as
    slurp spawn spew top user wait_for);

my %RUNNING;
my $OWNER = $$;


# Options, all of them optional:
#   name     directory name; a test's own by default
#   port     8080...; a free one by default
#   mail     smtp (default) | file | an URL of a server that stands already
#   workers  2, of each node
#   nodes    1; with more of them the port is a balancer's in front of them
#   durable  PostgreSQL keeps its promises across a crash of the machine
#   jobs     'purge=300ms chain=200ms': instead of each hour and 5 s
#   webhooks 'interval=200ms allow=127.0.0.1': instead of the usual; they trust
#            the mail server's authority, as Portal::Hook's servers have it
#   photo    'PROGRAM processes=1': another one than build/portal-photo, and
#            options
#   http     text for nginx's http{}, or text by server: { 'saint-aubin' => }
#   server   text for both towns' servers
#   agents   text for their agents' servers
#   main     text for nginx's main level
#   directives  { portal_zone => '1m', ... }: instead of the usual ones; a
#            list is as many lines
#   external { database, jobs, redis, keys }: servers that stand already
sub new {
    my ($class, %o) = @_;

    $o{name} //= sprintf 'test-%d-%s', $$, scalar(keys %RUNNING) + 1;

    my $dir = base() . "/$o{name}";
    my $self = bless {
        mail => 'smtp', workers => 2, nodes => 1, external => {}, %o,
        dir => $dir,
    }, $class;

    # of the nodes
    $self->{ports} = $self->{nodes} == 1 ? [$o{port} // free_port()]
        : [map { $o{port} ? $o{port} + $_ : free_port() } 1 .. $self->{nodes}];
    $self->{port} //= $self->{nodes} == 1 ? $self->{ports}[0] : free_port();
    $self->{pg} = Portal::Database->new(dir => $dir, durable => $o{durable});
    $self->{redis_password} = _secret();

    return $self;
}


sub start {
    my ($class, %o) = @_;

    my $self = ref $class ? $class : $class->new(%o);

    $self->prepare;
    $self->start_database;
    $self->start_redis;
    $self->start_mail;
    $self->start_nginx;

    return $self;
}

# an empty directory; what is started in it ends with this program
sub prepare {
    my ($self) = @_;

    _sweep();
    remove_tree($self->{dir});
    make_dir($self->{dir}, 0711);
    spew("$self->{dir}/owner", "$$\n");
    $RUNNING{$self} = $self;
}


sub dir      { $_[0]{dir} }
sub port     { $_[0]{port} }
sub pg       { $_[0]{pg} }
sub mail_dir { $_[0]{dir} . '/mail' }
sub keys     { $_[0]{external}{keys} // $_[0]{dir} . '/keys' }

# the first node, all of them, and with the balancer
sub nginx    { ($_[0]->nodes)[0] }
sub nodes    { @{ $_[0]->_servers }[0 .. $_[0]{nodes} - 1] }
sub servers  { @{ $_[0]->_servers } }

sub _servers {
    my ($self) = @_;
    my @ports = @{ $self->{ports} // [] };

    return $self->{servers} //= [
        (map { Portal::Nginx->new(stack => $self, port => $ports[$_ - 1],
            name => $_ == 1 ? 'nginx' : "nginx-$_") } 1 .. $self->{nodes}),
        $self->{nodes} == 1 ? () : Portal::Balancer->new(stack => $self,
            port => $self->{port}, name => 'balancer'),
    ];
}

sub host {
    my ($self, $town) = @_;

    $town //= 'saint-aubin';

    return $town eq 'saint-aubin' ? 'localhost' : "$town.localhost";
}

sub url {
    my ($self, $town) = @_;

    return sprintf 'http://%s:%d', $self->host($town), $self->{port};
}

# the host of the town's agents
sub agents_host {
    my ($self, $town) = @_;

    return 'agents.' . $self->host($town);
}

sub agents_url {
    my ($self, $town) = @_;

    return sprintf 'http://%s:%d', $self->agents_host($town), $self->{port};
}

# where it is watched: an address typed as numbers is no town's
sub monitor_url {
    my ($self, $path) = @_;

    return "http://127.0.0.1:$self->{port}$path";
}

# what demo.json tells: { codes => [...], accounts => [...], agents => [...] }
sub demo {
    my ($self) = @_;

    $self->{demo} //= do {
        my $text = slurp("$self->{dir}/demo.json");
        $text ? JSON::PP->new->utf8->decode($text)
            : { codes => [], accounts => [], agents => [] };
    };

    return $self->{demo};
}


### PostgreSQL

sub start_database {
    my ($self) = @_;

    return if $self->{external}{database};

    my $pg = $self->{pg};

    if (!-d $pg->data_dir) {
        my ($template, $lock) = Portal::Database->template;

        $pg->copy_from($template);
        for my $file (qw(keys demo.json)) {
            File::Copy::cp("$template->{dir}/$file", "$self->{dir}/$file")
                or die "$file: $!\n";
        }
        chmod 0400, $self->keys;
    }

    $pg->start;
    $self->_set_origins;
}


sub _set_origins {
    my ($self) = @_;

    for my $town ($self->{pg}->query('select slug from portal.town')) {
        my $slug = $town->[0];
        my ($origin, $agents) = ($self->url($slug), $self->agents_url($slug));

        $self->{pg}->query("update portal.town set origin = '$origin',
            agent_origin = '$agents', version = version + 1
            where slug = '$slug' and (origin <> '$origin'
                or agent_origin is distinct from '$agents')");
    }
}

sub stop_database { my ($self, $mode) = @_; $self->{pg}->stop($mode) }

# rows of columns in list context, the first row's text in scalar context
sub psql {
    my ($self, $sql, $role) = @_;

    return $self->{pg}->query($sql, $role);
}


# a program of a town gets a key, as an operator gives it: name, rights, town
sub machine {
    my ($self, %o) = @_;

    open my $in, '-|', top() . '/sql/machine', $self->keys, top() . '/build/portal-tool',
        $o{town} // 'saint-aubin', $o{name} // 'Logiciel', $o{rights} // 'import',
        $self->{pg}->psql_args or die "sql/machine: $!\n";
    chomp(my $key = <$in> // '');
    close $in or die "sql/machine refused\n";

    return $key;
}


### Redis

sub redis_socket { $_[0]{dir} . '/redis/redis.sock' }

sub start_redis {
    my ($self) = @_;

    return if $self->{external}{redis};

    my $dir = make_dir("$self->{dir}/redis", 0750, 'redis', 'nginx');
    spew("$dir/redis.conf", <<"END", 0600);
port 0
unixsocket $dir/redis.sock
unixsocketperm 777
requirepass $self->{redis_password}
daemonize yes
pidfile $dir/redis.pid
logfile $dir/redis.log
dir $dir
save ""
appendonly no
maxclients 500
set-proc-title no
END
    own("$dir/redis.conf", 'redis');

    run_as('redis', "$dir/start.log", 'redis-server', "$dir/redis.conf") == 0
        or die "redis-server does not start, see $dir/start.log\n";
    wait_for(10, sub { ($self->redis_cli('PING') // '') eq "PONG\n" })
        or die "Redis does not answer, see $dir/redis.log\n";
}

sub redis_pid {
    my ($self) = @_;

    my ($pid) = (slurp("$self->{dir}/redis/redis.pid") // '') =~ /(\d+)/;

    return pid_alive($pid, $self->{dir}) ? $pid : undef;
}

sub stop_redis {
    my ($self) = @_;

    end_pid($self->redis_pid // return, $self->{dir});
}

# the answer as redis-cli prints it
sub redis_cli {
    my ($self, @command) = @_;

    local $ENV{REDISCLI_AUTH} = $self->{redis_password};
    open my $in, '-|', 'sh', '-c', 'exec redis-cli "$@" 2>/dev/null', 'sh',
        '-s', $self->redis_socket, @command or die "redis-cli: $!\n";
    local $/;

    return scalar <$in>;
}


### mail

# The test server's address is fixed for the life of the stack.  Its faults:
# see mail_fault().
sub start_mail {
    my ($self) = @_;

    make_dir($self->mail_dir, 0750, $self->{mail} eq 'smtp' ? 'smtp' : 'nginx');
    return if $self->{mail} ne 'smtp';

    my $dir = make_dir("$self->{dir}/smtp", 0755, 'smtp');

    $self->{smtp_port} //= free_port();
    $self->{smtp_password} //= _secret();

    if (!-e "$dir/cert.pem") {
        $self->_certificate($dir);
        # not with its mode: others may not be allowed to read the checkout
        File::Copy::copy(top() . '/t/lib/smtpd.py', "$dir/smtpd.py") or die $!;
        spew("$dir/password", "$self->{smtp_password}\n", 0600);
        own("$dir/$_", 'smtp') for qw(password cert.key);
        spew("$self->{dir}/smtp_password", $self->{smtp_password}, 0400);
    }

    $self->{smtp_pid} = spawn('smtp', "$dir/smtpd.log", '/usr/bin/python3',
        '-B', "$dir/smtpd.py", $self->{smtp_port}, $dir, $self->mail_dir);
    spew("$dir/pid", "$self->{smtp_pid}\n");

    wait_for(20, sub {
        IO::Socket::INET->new(
            PeerAddr => '127.0.0.1', PeerPort => $self->{smtp_port});
    }) or die "the mail server does not start, see $dir/smtpd.log\n";
}

sub _certificate {
    my ($self, $dir) = @_;

    my $log = "$self->{dir}/openssl.log";

    run_as(undef, $log, _new_key('-subj', '/CN=portal test CA', '-keyout',
        "$dir/ca.key", '-out', "$dir/ca.pem")) == 0
        or die "openssl failed, see $log\n";
    $self->_signed($dir, 'localhost', 'DNS:localhost,IP:127.0.0.1');
    chmod 0644, "$dir/ca.pem";
}

# cert.pem by the authority that is there
sub _signed {
    my ($self, $dir, $name, $names) = @_;

    my $log = "$self->{dir}/openssl.log";

    run_as(undef, $log, _new_key('-subj', "/CN=$name", '-addext',
        "subjectAltName=$names", '-addext',
        'basicConstraints=critical,CA:FALSE', '-CA', "$dir/ca.pem", '-CAkey',
        "$dir/ca.key", '-keyout', "$dir/cert.key", '-out', "$dir/cert.pem")) == 0
        or die "openssl failed, see $log\n";
    chmod 0644, "$dir/cert.pem";
}

sub _new_key {
    return (qw(openssl req -x509 -newkey ec -pkeyopt
        ec_paramgen_curve:prime256v1 -nodes -days 3650), @_);
}

# the mail server begins anew, under the certificate of a name
sub mail_certificate {
    my ($self, $name) = @_;

    my $dir = "$self->{dir}/smtp";

    $self->_signed($dir, $name, "DNS:$name");
    own("$dir/cert.key", 'smtp');
    $self->stop_mail;
    $self->start_mail;
}

sub mail_ca { $_[0]{dir} . '/smtp/ca.pem' }

# undef: none.  '451' or '451 3': the next mails (3 of them) are put off.
# '550 a@b.example': that recipient is refused, with 554 what was sent to it.
# 'slow 5': answers come so many seconds late.  'cut' or 'cut 2': the connection
# ends before the mail is accepted, with cutafter before that is said.  'plain':
# no STARTTLS is offered.  '535': nobody may log in.  'grey': the first mail of a
# sender to a recipient is put off.  'drip': a byte a second, without an end.
sub mail_fault {
    my ($self, $fault) = @_;

    my $file = "$self->{dir}/smtp/fault";

    if (defined $fault) { spew($file, "$fault\n", 0644); own($file, 'smtp') }
    else                { unlink $file }
}

sub smtp_pid {
    my ($self) = @_;

    my ($pid) = (slurp("$self->{dir}/smtp/pid") // '') =~ /(\d+)/;

    return pid_alive($pid, $self->{dir}) ? $pid : undef;
}

sub stop_mail {
    my ($self) = @_;

    end_pid($self->smtp_pid // return, $self->{dir});
}


### nginx

sub start_nginx {
    my ($self) = @_;

    $self->_copy_static;
    $self->_copy_photo;
    $_->start for $self->servers;
}

sub stop_nginx {
    my ($self, $signal) = @_;

    $_->stop($signal) for reverse $self->servers;
}

sub reload { my ($self) = @_; $_->reload for $self->nodes }

# the workers' user may not pass through the checkout
sub photo {
    my ($self) = @_;

    return "$self->{dir}/portal-photo" . (($self->{photo} // '') =~ s/^\S*//r);
}

sub _copy_photo {
    my ($self) = @_;

    my ($from) = ($self->{photo} || 'build/portal-photo') =~ /^(\S+)/;
    my $to = "$self->{dir}/portal-photo";

    # a process that runs it keeps the old one
    unlink $to;
    File::Copy::copy($from =~ m{^/} ? $from : top() . "/$from", $to)
        or die "$from: $!\n";
    chmod 0755, $to;
}

# what workers read themselves, and so may not lie in the checkout
sub _copy_static {
    my ($self) = @_;

    my $from = top() . '/src/static';
    my $to = "$self->{dir}/static";

    make_dir($to, 0755);
    File::Find::find({ no_chdir => 1, wanted => sub {
        my $path = substr $_, length $from;
        return if $path eq '';
        if (-d) { make_dir("$to$path", 0755) }
        else    { File::Copy::cp($_, "$to$path"); chmod 0644, "$to$path" }
    } }, $from) if -d $from;
}


### the end

sub stop {
    my ($self) = @_;

    delete $RUNNING{$self};
    $self->stop_nginx;
    $self->stop_mail;
    $self->stop_redis;
    $self->stop_database;
}

# lets it live on after this program
sub keep { delete $RUNNING{$_[0]} }

sub remove { remove_tree($_[0]{dir}) }


# ends what an earlier program has left in the directory of that name
sub leftover {
    my ($class, $name) = @_;

    my $dir = base() . "/$name";
    my @more = glob "$dir/nginx-*";
    my $left = bless { dir => $dir, external => {}, nodes => 1 + @more,
        pg => Portal::Database->new(dir => $dir) }, $class;

    $left->stop if -d $dir;

    return $left;
}

# ends what killed tests have left running; what failed tests have left to be
# looked at goes after an hour
sub _sweep {
    for my $dir (glob base() . '/test-*') {
        my ($owner) = (slurp("$dir/owner") // '') =~ /(\d+)/ or next;
        next if kill 0, $owner;

        my $left = __PACKAGE__->leftover($dir =~ s{.*/}{}r);
        next if ((stat $dir)[9] // time) >= time - 3600;

        # one of several tests that start now
        $left->remove if mkdir "$dir/swept";
    }
}

sub _secret {
    open my $fh, '<:raw', '/dev/urandom' or die "/dev/urandom: $!\n";
    read $fh, my $bytes, 16;

    return unpack 'H*', $bytes;
}

END {
    if ($$ == $OWNER) {
        my $status = $?;
        for my $stack (values %RUNNING) {
            $stack->stop;
            $stack->remove if !$ENV{PORTAL_KEEP} && $status == 0;
        }
        $? = $status;
    }
}


1;
