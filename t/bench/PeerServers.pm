package PeerServers;

# What the portal is measured beside, over the same database: nginx + Lua, and
# Django under gunicorn behind nginx, two workers each.
#
# lua() and django() answer as Portal::Stack does to what Bench asks of it: a
# port, and the processes that it has.

use strict;
use warnings;

use File::Copy ();

use Bench qw(command);
use Portal::Client;
use Portal::Place qw(end_pid free_port make_dir own slurp spawn spew top user wait_for);

my $HERE = top() . '/t/bench/peers';
my $MODULES = '/usr/lib/nginx/modules';
my $WORKERS = 2;
my %RUNNING;


# connections: to the database, of all workers of one of them
sub new {
    my ($class, $stack, $connections) = @_;

    my $dir = make_dir("$stack->{dir}/peers", 0755);
    my $self = bless { stack => $stack, dir => $dir, connections => $connections,
        map { $_ => free_port() } qw(lua_port django_port) }, $class;

    $RUNNING{$self} = $self;
    $self->_files;
    $self->_database;
    $self->_start_django;
    $self->_start_nginx;

    return $self;
}

sub lua    { return $_[0]->_one($_[0]{lua_port}, 'nginx') }
sub django { return $_[0]->_one($_[0]{django_port}, qw(nginx gunicorn)) }

sub _one {
    my ($self, $port, @masters) = @_;

    return bless { stack => $self->{stack}, port => $port,
        masters => [@$self{@masters}] }, 'PeerServers::One';
}

sub stop {
    my ($self) = @_;

    my $stack = $self->{stack};

    delete $RUNNING{$self};
    end_pid($_, $self->{dir}) for grep { $_ } @$self{qw(nginx gunicorn)};
    $stack->redis_cli('-n', 1, 'FLUSHDB');
    $stack->psql('set client_min_messages = warning; drop schema if exists peers cascade');
}

# of a bench that ends early
END {
    my $status = $?;
    end_pid($_->[0], $_->[1]) for map { my $p = $_;
        map { [$p->{$_}, $p->{dir}] } grep { $p->{$_} } qw(nginx gunicorn) } values %RUNNING;
    $? = $status;
}


# workers may not pass through the checkout
sub _files {
    my ($self) = @_;

    my $dir = $self->{dir};
    my $icons = make_dir("$dir/icon", 0755);

    for my $file (glob("$HERE/*.py $HERE/*.html"), top() . '/src/lang/fr.json') {
        File::Copy::cp($file, $dir) or die "$file: $!\n";
    }
    for my $file (glob top() . '/src/templates/icon/*.mustache') {
        File::Copy::cp($file, $icons) or die "$file: $!\n";
    }
}

# a role of their own, for who runs them
sub _database {
    my ($self) = @_;

    my $stack = $self->{stack};
    my $pg = $stack->pg;
    my $ident = $pg->data_dir . '/pg_ident.conf';
    my %who = map { $_ => 1 } grep { defined } (user('nginx'))[0], scalar getpwuid $>;

    spew($ident, join '', slurp($ident), map { qq{portal "$_" peers\n} } sort keys %who);
    own($ident, 'postgres');
    $pg->reload;

    local @ENV{qw(PORTAL_KEYS PORTAL_TOOL PORTAL_WORK)}
        = ($stack->keys, top() . '/build/portal-tool', $self->{dir});
    command('psql', '-X', '-q', '-o', '/dev/null', '-f', "$HERE/file.sql",
        $pg->psql_args);
}


### Django

sub _start_django {
    my ($self) = @_;

    my ($stack, $dir) = @$self{qw(stack dir)};

    make_dir("$dir/run", 0755, 'nginx');
    local @ENV{qw(PEERS PEERS_SECRET PEERS_DATABASE PEERS_REDIS PEERS_REDIS_PASSWORD
        PYTHONDONTWRITEBYTECODE)} = ($dir, $stack->{redis_password},
        $stack->pg->socket_dir, $stack->redis_socket, $stack->{redis_password}, 1);

    command('sh', '-c', 'exec /usr/bin/python3 "$1" < "$2"', 'sh', "$dir/famille.py",
        "$stack->{dir}/sessions.tsv");
    $self->{gunicorn} = spawn('nginx', "$dir/gunicorn.log", qw(setpriv --pdeathsig TERM --),
        '/usr/bin/gunicorn', '--workers', $WORKERS, '--bind', "unix:$dir/run/gunicorn.sock",
        '--chdir', $dir, '--worker-tmp-dir', '/dev/shm', '--name', $dir,
        'famille:application');
    wait_for(20, sub { -S "$dir/run/gunicorn.sock" })
        or die "gunicorn does not start, see $dir/gunicorn.log\n";
}


### nginx: with Lua, and before gunicorn

sub _start_nginx {
    my ($self) = @_;

    my $dir = $self->{dir};

    make_dir("$dir/logs", 0755);
    spew("$dir/nginx.conf", $self->_conf);
    $self->{nginx} = spawn(undef, "$dir/logs/start.log", qw(setpriv --pdeathsig TERM --),
        '/usr/sbin/nginx', '-p', "$dir/", '-c', "$dir/nginx.conf", '-e',
        "$dir/logs/error.log");
    wait_for(20, sub {
        IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $self->{lua_port});
    }) or die "nginx + Lua does not start, see $dir/logs/error.log\n";
}

sub _conf {
    my ($self) = @_;

    my ($stack, $dir) = @$self{qw(stack dir)};
    my ($user) = user('nginx');
    my $connections = $self->{connections} / $WORKERS;
    # a session takes twice and a half the bytes of its line
    my $zone = 16 + int 4 * (-s "$stack->{dir}/sessions.tsv") / 2 ** 20;
    my $socket = $stack->pg->socket_dir . '/.s.PGSQL.5432';

    return join "\n", $user ? "user $user;" : (), <<"END";
daemon off;
worker_processes $WORKERS;
pid $dir/nginx.pid;
load_module $MODULES/ndk_http_module.so;
load_module $MODULES/ngx_http_lua_module.so;
events { worker_connections 1024; }
http {
    access_log off;
    keepalive_requests 10000000;
    client_body_temp_path $dir/run/body;
    proxy_temp_path $dir/run/proxy;
    fastcgi_temp_path $dir/run/fastcgi;
    uwsgi_temp_path $dir/run/uwsgi;
    scgi_temp_path $dir/run/scgi;
    lua_package_path "$HERE/?.lua;;";
    lua_shared_dict sessions ${zone}m;
    init_by_lua_block {
        family = require "family"
        family.start({ socket = "$socket", user = "peers", database = "portal",
            connections = $connections }, "$stack->{dir}/sessions.tsv")
    }
    server {
        listen 127.0.0.1:$self->{lua_port};
        default_type application/json;
        location = /famille { content_by_lua_block { family.answer() } }
        location = /famille/text { content_by_lua_block { family.answer(true) } }
    }
    server {
        listen 127.0.0.1:$self->{django_port};
        location / {
            proxy_pass http://unix:$dir/run/gunicorn.sock;
            proxy_set_header Host \$http_host;
        }
    }
}
END
}


package PeerServers::One;

use strict;
use warnings;

sub port      { return $_[0]{port} }
sub pg        { return $_[0]{stack}->pg }
sub redis_pid { return $_[0]{stack}->redis_pid }
sub nginx     { return $_[0] }

# what answers: nginx's workers, and Django's
sub workers {
    my ($self) = @_;

    return map {
        split ' ', Portal::Place::slurp("/proc/$_/task/$_/children") // ''
    } @{ $self->{masters} };
}

# for Portal::Client
sub host { return $_[0]{stack}->host($_[1]) }
sub url  { return 'http://' . $_[0]->host($_[1]) . ":$_[0]{port}" }


1;
