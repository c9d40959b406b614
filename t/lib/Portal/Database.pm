package Portal::Database;

# A private PostgreSQL that listens on a unix socket only.  Who may log in as
# what is told by the user behind the socket (peer): no password anywhere.

use strict;
use warnings;

use Digest::SHA;
use Fcntl qw(:flock);
use File::Find ();
use File::Path qw(remove_tree);

use Portal::Place qw(base end_pid lock make_dir own pid_alive run_as slurp
    spew top user);

my @ROLES = qw(postgres portal_owner portal_api portal_batch portal_web
    portal_jobs);


sub new {
    my ($class, %o) = @_;

    return bless { dir => $o{dir}, durable => $o{durable} }, $class;
}


sub bin {
    my ($name) = @_;

    my ($dir) = sort { ($b =~ /(\d+)/)[0] <=> ($a =~ /(\d+)/)[0] }
        glob '/usr/lib/postgresql/*/bin';
    die "no PostgreSQL in /usr/lib/postgresql: make install-run\n" if !$dir;

    return "$dir/$name";
}


sub socket_dir { $_[0]{dir} . '/pg' }
sub data_dir   { $_[0]{dir} . '/pgdata' }
sub log_file   { $_[0]{dir} . '/pglog/postgresql.log' }

sub conninfo {
    my ($self, $role) = @_;

    return sprintf 'host=%s dbname=portal user=%s', $self->socket_dir, $role;
}

# arguments that let psql and the scripts of sql/ in
sub psql_args {
    my ($self, $role, $database) = @_;

    return ('-h', $self->socket_dir, '-U', $role // 'postgres', '-d',
        $database // 'portal');
}


# an empty cluster
sub init {
    my ($self) = @_;

    my $data = make_dir($self->data_dir, 0700, 'postgres');

    _try(run_as('postgres', "$self->{dir}/initdb.log", bin('initdb'), '-D',
        $data, '-U', 'postgres', '-A', 'reject', '-E', 'UTF8',
        '--locale=C.UTF-8', '--no-sync'), "$self->{dir}/initdb.log");

    # who is behind the socket => which roles
    my ($server) = user('postgres');
    my ($nginx) = user('nginx');
    my $me = getpwuid $>;
    my %may = ($me => \@ROLES);
    $may{$server} //= ['postgres'] if $server;
    $may{$nginx} //= [qw(portal_web portal_jobs)] if $nginx;

    spew("$data/pg_ident.conf", join '', map {
        my $who = $_;
        map { qq{portal "$who" $_\n} } @{ $may{$who} }
    } sort keys %may);
    spew("$data/pg_hba.conf", "local all,replication all peer map=portal\n");
    own("$data/$_", 'postgres') for qw(pg_ident.conf pg_hba.conf);
}


sub _conf {
    my ($self) = @_;

    my $safe = $self->{durable} ? 'on' : 'off';

    return <<"END";
listen_addresses = ''
unix_socket_directories = '@{[ $self->socket_dir ]}'
max_connections = 100
shared_buffers = 64MB
fsync = $safe
full_page_writes = $safe
synchronous_commit = $safe
jit = off
log_min_messages = warning
log_line_prefix = '%m [%p] %u '
timezone = 'Europe/Paris'
client_connection_check_interval = 5s
@{[ $self->{more} // '' ]}
END
}

sub _write_conf {
    my ($self) = @_;

    my $file = $self->data_dir . '/postgresql.auto.conf';

    spew($file, $self->_conf);
    own($file, 'postgres');
}

# more lines of configuration; they hold from the next start or reload on
sub more {
    my ($self, $text) = @_;

    $self->{more} = $text;
}


# a copy of another instance's files, which must be stopped
sub copy_from {
    my ($self, $other) = @_;

    _try(run_as(undef, "$self->{dir}/copy.log", 'cp', '-a', '--reflink=auto',
        $other->data_dir, $self->data_dir), "$self->{dir}/copy.log");
}


sub reload {
    my ($self) = @_;

    $self->_write_conf;
    $self->query('select pg_reload_conf()');
}

# a standby of a running primary, not started; synchronous standbys are known
# to the primary by the name given
sub follow {
    my ($self, $primary, $name) = @_;

    my $log = "$self->{dir}/basebackup.log";

    make_dir($self->{dir}, 0711);
    make_dir($self->data_dir, 0700, 'postgres');
    _try(run_as('postgres', $log, bin('pg_basebackup'), '-h',
        $primary->socket_dir, '-U', 'postgres', '-D', $self->data_dir,
        '-c', 'fast', '--no-sync'), $log);
    spew($self->data_dir . '/standby.signal', '');
    own($self->data_dir . '/standby.signal', 'postgres');
    $self->more("primary_conninfo = 'host=" . $primary->socket_dir
        . " user=postgres application_name=$name'");
}

# the standby becomes the primary
sub promote {
    my ($self) = @_;

    my $log = "$self->{dir}/pglog/pg_ctl.log";

    _try(run_as('postgres', $log, bin('pg_ctl'), '-D', $self->data_dir, '-s',
        '-w', 'promote'), $log);
}


sub start {
    my ($self) = @_;

    make_dir("$self->{dir}/pglog", 0755, 'postgres');
    make_dir($self->socket_dir, 0750, 'postgres', 'nginx');

    $self->_write_conf;

    _try(run_as('postgres', "$self->{dir}/pglog/pg_ctl.log", bin('pg_ctl'),
        '-D', $self->data_dir, '-l', $self->log_file, '-t', '60', '-w', '-s', 'start'),
        $self->log_file);
}


sub pid {
    my ($self) = @_;

    my ($pid) = (slurp($self->data_dir . '/postmaster.pid') // '') =~ /^(\d+)/;

    return pid_alive($pid, $self->data_dir) ? $pid : undef;
}


# the postmaster and its children, for SIGSTOP
sub pids {
    my ($self) = @_;

    my $pid = $self->pid or return;
    my $children = slurp("/proc/$pid/task/$pid/children") // '';

    return ($pid, split ' ', $children);
}


sub stop {
    my ($self, $mode) = @_;

    my @pids = $self->pids or return;
    kill 'CONT', @pids;
    end_pid($pids[0], $self->data_dir, $mode // 'INT');
}


# one statement list as the given role; rows of tab separated columns
sub query {
    my ($self, $sql, $role) = @_;

    open my $in, '-|', _psql($self, $role, '-At', '-F', "\t", '-c', $sql)
        or die "psql: $!\n";
    my @rows = <$in>;
    close $in or die "psql failed: $sql\n";
    chomp @rows;

    return wantarray ? map { [split /\t/, $_, -1] } @rows : $rows[0];
}


sub _psql {
    my ($self, $role, @args) = @_;

    return ('psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1',
        $self->psql_args($role), @args);
}


# a stopped instance with the schema and the demo families, made once per
# state of the files that it comes from; the lock keeps it there meanwhile
sub template {
    my ($class) = @_;

    my $key = _template_key();
    my $dir = base() . "/template-$key";
    my $lock = lock('template', LOCK_EX);

    if (!-e "$dir/ready") {
        remove_tree(glob base() . '/template-*');
        make_dir($dir, 0755);

        my $self = $class->new(dir => $dir);
        $self->init;
        $self->start;
        eval { $self->_fill; 1 } or do {
            my $error = $@;
            $self->stop;
            die $error;
        };
        $self->stop('TERM');
        spew("$dir/ready", '');
    }

    return ($class->new(dir => $dir), $lock);
}


sub _template_key {
    my $sha = Digest::SHA->new(1);
    my @files;

    File::Find::find({ no_chdir => 1, wanted => sub {
        push @files, $_ if -f && !/\.(?:swp|new)$/;
    } }, map { top() . "/$_" } qw(sql src/crypto src/tool));

    for my $file (sort(@files), top() . '/t/lib/Portal/Database.pm') {
        $sha->add("$file\n");
        $sha->addfile($file);
    }

    return substr $sha->hexdigest, 0, 12;
}


sub _fill {
    my ($self) = @_;

    my $dir = $self->{dir};
    my $tool = top() . '/build/portal-tool';
    my $log = "$dir/fill.log";
    my @keys = ("$dir/keys");

    _try(run_as(undef, $log, 'createdb', '-h', $self->socket_dir, '-U',
        'postgres', 'portal'), $log);
    _try(run_as(undef, $log, top() . '/sql/migrate', $self->psql_args), $log);
    _try(run_as(undef, $log, $tool, 'keys', "$dir/keys"), $log);

    # the origins are set for real where the copy is used
    _try(run_as(undef, $log, top() . '/sql/demo', "$dir/keys", $tool,
        'http://localhost:8080', 'http://beaulieu.localhost:8080',
        "$dir/demo.json", $self->psql_args), $log);
}


sub _try {
    my ($status, $log) = @_;

    return if $status == 0;

    my @lines = split /^/, slurp($log) // '';
    splice @lines, 0, @lines - 15 if @lines > 15;
    die join('', @lines), "failed with status $status (see $log)\n";
}


1;
