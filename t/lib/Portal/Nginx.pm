package Portal::Nginx;

# The nginx of a stack: its configuration, made of conf.d/portal.conf with this
# stack's places in it, and its life.

use strict;
use warnings;

use IO::Socket::INET;
use IO::Socket::IP;

use Portal::Place qw(end_pid make_dir own pid_alive run_as slurp spew top user
    wait_for);


sub new {
    my ($class, %o) = @_;

    return bless { stack => $o{stack}, port => $o{port},
        dir => "$o{stack}{dir}/" . ($o{name} // 'nginx') }, $class;
}

sub dir        { $_[0]{dir} }
sub port       { $_[0]{port} }
sub error_log  { $_[0]{dir} . '/logs/error.log' }
sub access_log { $_[0]{dir} . '/logs/access.log' }

# PORTAL_NGINX: another nginx than Debian's, with the module linked in and
# sanitizers on, unless PORTAL_MODULE names the .so that make modules has built
sub binary     { $ENV{PORTAL_NGINX} // '/usr/sbin/nginx' }
sub sanitized  { defined $ENV{PORTAL_NGINX} && !defined $ENV{PORTAL_MODULE} }

sub module {
    return $ENV{PORTAL_MODULE}
        // top() . '/build/nginx/ngx_http_portal_module.so';
}


sub start {
    my ($self) = @_;

    my $dir = $self->{dir};

    make_dir($dir, 0755);
    make_dir("$dir/conf", 0755);
    # a dying worker writes its last words here
    make_dir("$dir/logs", 01777);

    make_dir("$dir/conf/conf.d", 0755);
    symlink top() . "/conf.d/portal", "$dir/conf/conf.d/portal";
    spew("$dir/conf/nginx.conf", $self->conf, 0600);

    my $log = "$dir/logs/start.log";
    if ($self->_run($log) != 0) {
        die 'nginx does not start: ', slurp($log) // '', slurp($self->error_log)
            // '', "\n";
    }

    wait_for(20, sub {
        IO::Socket::INET->new(PeerAddr => '127.0.0.1',
            PeerPort => $self->{port}) && $self->pid
    }) or die 'nginx does not answer, see ', $self->error_log, "\n";
}


sub _run {
    my ($self, $log, @args) = @_;

    my $dir = $self->{dir};
    my $lsan = "$dir/conf/lsan";

    # nginx's own: what it never gives back
    spew($lsan, "leak:ngx_event_process_init\nleak:ngx_regex_malloc\n", 0644);

    # nginx -t ends without giving back the pool that it began with
    my $leaks = grep({ $_ eq '-t' } @args) ? 0 : 1;

    local $ENV{ASAN_OPTIONS} = "detect_leaks=$leaks:log_path=$dir/logs/asan"
        . ':detect_stack_use_after_return=1:fast_unwind_on_malloc=0';
    local $ENV{UBSAN_OPTIONS} = 'print_stacktrace=1:halt_on_error=1';
    local $ENV{LSAN_OPTIONS} = "suppressions=$lsan";

    # as docs/operating.md has it
    local $ENV{GLIBC_TUNABLES} = 'glibc.malloc.tcache_count=1000';

    return run_as(undef, $log, $self->binary, '-p', "$dir/", '-c',
        "$dir/conf/nginx.conf", '-e', "$dir/logs/error.log", @args);
}


# nginx -t on the configuration as it is in the file: (ok, what it printed)
sub test_conf {
    my ($self) = @_;

    my $log = "$self->{dir}/logs/test.log";

    unlink $log;
    my $status = $self->_run($log, '-t');

    return ($status == 0, slurp($log) // '');
}


sub pid {
    my ($self) = @_;

    my ($pid) = (slurp("$self->{dir}/nginx.pid") // '') =~ /(\d+)/;

    return pid_alive($pid, $self->{dir}) ? $pid : undef;
}

sub workers {
    my ($self) = @_;

    my $pid = $self->pid or return;

    return split ' ', slurp("/proc/$pid/task/$pid/children") // '';
}

# returns when workers of the new configuration have taken over
sub reload {
    my ($self) = @_;

    my %old = map { $_ => 1 } $self->workers;

    kill 'HUP', $self->pid // die "nginx is not running\n";
    wait_for(20, sub { grep { !$old{$_} } $self->workers })
        or die "no reload, see @{[ $self->error_log ]}\n";
}

# returns when the master has done what the signals sent before ask for: it lets
# them in only while it sleeps between two rounds of work
sub settle {
    my ($self) = @_;

    my $pid = $self->pid // die "nginx is not running\n";

    wait_for(20, sub {
        my $status = slurp("/proc/$pid/status") // '';
        $status =~ /^State:\s+S/m && $status =~ /^ShdPnd:\s+0+$/m
            && $status =~ /^SigBlk:\s+0+$/m;
    }) or die "the master is still at work, see @{[ $self->error_log ]}\n";
}

sub stop {
    my ($self, $signal) = @_;

    my $pid = $self->pid or return;
    # quit lets leaks be found; a worker that holds on is ended with TERM
    end_pid($pid, $self->{dir}, $signal // 'QUIT');
}


### the configuration

sub conf {
    my ($self) = @_;

    my $stack = $self->{stack};
    my $dir = $self->{dir};
    my ($user) = user('nginx');
    my $extra = ref $stack->{http} ? '' : $stack->{http} // '';

    return join "\n",
        $user ? "user $user;" : (),
        $self->sanitized ? () : 'load_module ' . $self->module . ';',
        "worker_processes $stack->{workers};",
        "worker_shutdown_timeout 10s;",
        "pid $dir/nginx.pid;",
        "error_log $dir/logs/error.log " . ($ENV{PORTAL_LOG} // 'notice') . ';',
        'thread_pool portal_hash threads=1 max_queue=64;',
        $stack->{main} // '',
        'events { worker_connections 1024; }',
        'http {',
        '    include /etc/nginx/mime.types;',
        '    server_tokens off;',
            $self->_temp_paths,
        # the balancer tells who asks
        @{ $stack->{ports} } > 1 ? ('    set_real_ip_from 127.0.0.1;',
            '    real_ip_header X-Forwarded-For;') : (),
        $self->_portal_conf,
        "    access_log $dir/logs/access.log portal;",
        $extra,
        $self->_default_server,
        (map { ($self->_server($_), $self->_agents_server($_)) }
            qw(saint-aubin beaulieu)),
        '}', '';
}


sub _temp_paths {
    my ($self) = @_;

    return map { "    ${_}_temp_path $self->{dir}/$_;" }
        qw(client_body proxy fastcgi uwsgi scgi);
}


# conf.d/portal.conf with the directives that name places of this stack
# replaced, their options kept, and those that it does not have added
sub _portal_conf {
    my ($self) = @_;

    my %set = $self->_directives;
    my $text = slurp(top() . '/conf.d/portal.conf') // '';

    $text =~ s{^(\h*)(portal_\w+)\h*("[^"]*")?([^;]*);}{
        my ($space, $name, $options) = ($1, $2, $3 ? $4 : '');
        exists $set{$name}
            ? _line($space, $name, delete $set{$name}, $options) : $&;
    }gmex;

    return $text, map { _line('', $_, $set{$_}, '') } sort keys %set;
}

# a list of values is as many lines
sub _line {
    my ($space, $name, $value, $options) = @_;

    return join "\n", map { defined ? "$space$name $_$options;" : '' }
        ref $value ? @$value : $value;
}

sub _directives {
    my ($self) = @_;

    my $stack = $self->{stack};
    my $out = $stack->{external};
    my $pg = $stack->{pg};
    my $top = top();

    return (
        portal_keys => $stack->keys,
        portal_database => '"' . ($out->{database}
            // $pg->conninfo('portal_web')) . '"',
        portal_jobs => '"' . ($out->{jobs} // $pg->conninfo('portal_jobs'))
            . '"' . ($stack->{jobs} ? " $stack->{jobs}" : ''),
        portal_redis => $out->{redis} // 'unix:' . $stack->redis_socket
            . " password=$stack->{redis_password}",
        portal_mail => $self->_mail,
        portal_photo => $stack->photo,
        $stack->{webhooks} ? (portal_webhooks => "$stack->{webhooks} ca=" . $stack->mail_ca) : (),
        portal_templates => "$top/src/templates",
        portal_forms => "$top/conf.d/portal/forms",
        portal_languages => "$top/src/lang fr en",
        %{ $stack->{directives} // {} },
    );
}

sub _mail {
    my ($self) = @_;

    my $stack = $self->{stack};

    return 'file:' . $stack->mail_dir if $stack->{mail} eq 'file';
    return $stack->{mail} if $stack->{mail} ne 'smtp';

    return "smtp://localhost:$stack->{smtp_port} user=portail"
        . " password_file=$stack->{dir}/smtp_password"
        . ' ca=' . $stack->mail_ca . ' starttls=required';
}


sub _listen {
    my ($self, $more) = @_;

    my $port = $self->{port};

    $self->{six} //= IO::Socket::IP->new(
        LocalHost => '::1', LocalPort => 0, Listen => 1) ? 1 : 0;

    return "        listen 127.0.0.1:$port$more;",
        $self->{six} ? "        listen [::1]:$port$more;" : ();
}

# an address typed as numbers leads to the first town
sub _default_server {
    my ($self) = @_;

    return '    server {', $self->_listen(' default_server'),
        '        server_name _;', '        portal_tenant saint-aubin;',
        '        include conf.d/portal/errors.inc;',
        '        include conf.d/portal/monitoring.inc;',
        '        location / { return 307 ' . $self->{stack}->url
            . '$request_uri; }',
        '    }';
}

sub _server {
    my ($self, $town) = @_;

    my $stack = $self->{stack};
    my $extra = ref $stack->{http} ? $stack->{http}{$town} // '' : '';

    return '    server {', $self->_listen(''),
        '        server_name ' . $stack->host($town) . ';',
        "        portal_tenant $town;",
        "        include conf.d/portal/pages.inc;",
        $self->_static,
        $stack->{server} // '', $extra,
        '    }';
}


# as in conf.d/portal/example.conf, but for how long it is kept
sub _static {
    my ($self) = @_;

    return "        location ^~ /static/ { alias $self->{stack}{dir}/static/; gzip_vary on;",
        '            add_header X-Content-Type-Options nosniff; }';
}


sub _agents_server {
    my ($self, $town) = @_;

    my $stack = $self->{stack};

    return '    server {', $self->_listen(''),
        '        server_name ' . $stack->agents_host($town) . ';',
        "        portal_tenant $town agents;",
        "        include conf.d/portal/agents.inc;",
        $self->_static,
        $stack->{agents} // '',
        '    }';
}


### what the logs say

# the lines that no test may cause
sub complaints {
    my ($self) = @_;

    my @bad;

    for my $file (glob "$self->{dir}/logs/*") {
        next if $file eq $self->access_log;
        open my $fh, '<', $file or next;
        while (<$fh>) {
            push @bad, $_ if /\[(?:alert|emerg)\]|Sanitizer|runtime error:/;
        }
    }

    return @bad;
}


1;
