package Portal::Hook;

# The town's software, as far as the portal alerts it: a small server with TLS
# (t/lib/hookd.py) that verifies what comes and can misbehave.

use strict;
use warnings;
use utf8;

use File::Copy ();
use IO::Socket::INET;
use JSON::PP ();

use Portal::Place qw(end_pid free_port make_dir own pid_alive slurp spawn spew top wait_for);

my $N = 0;


# Under the certificate authority of the stack's mail server, which
# "portal(webhooks => '…')" lets webhooks trust, too.
sub start {
    my ($class, $stack, %o) = @_;

    my $self = bless { stack => $stack, port => free_port(),
        dir => make_dir("$stack->{dir}/hook" . ++$N, 0755, 'smtp') }, $class;

    File::Copy::copy(top() . '/t/lib/hookd.py', "$self->{dir}/hookd.py") or die $!;
    File::Copy::cp("$stack->{dir}/smtp/$_", "$self->{dir}/$_") or die $! for qw(ca.pem ca.key);
    spew("$self->{dir}/secrets", '', 0644);
    $self->certificate($o{name} // 'localhost', $o{foreign});
    $self->run;

    return $self;
}

sub run {
    my ($self) = @_;

    $self->{pid} = spawn('smtp', "$self->{dir}/hookd.log", '/usr/bin/python3', '-B',
        "$self->{dir}/hookd.py", $self->{port}, $self->{dir});
    wait_for(20, sub { IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $self->{port}) })
        or die "the software does not start, see $self->{dir}/hookd.log\n";
}

sub stop {
    my ($self) = @_;

    end_pid($self->{pid}, $self->{dir}) if pid_alive($self->{pid}, $self->{dir});
}

# for a name; foreign: by an authority that nobody knows.  Counts from run().
sub certificate {
    my ($self, $name, $foreign) = @_;

    my $dir = "$self->{dir}";
    $dir = make_dir("$dir/foreign", 0755) if $foreign;

    if ($foreign) { $self->{stack}->_certificate($dir) }
    else          { $self->{stack}->_signed($dir, $name, "DNS:$name") }

    if ($foreign) {
        File::Copy::cp("$dir/$_", "$self->{dir}/$_") or die $! for qw(cert.pem cert.key);
    }
    chmod 0600, "$self->{dir}/cert.key";
    own("$self->{dir}/cert.key", 'smtp');
}

sub url { return "https://localhost:$_[0]{port}" . ($_[1] // '/hook') }

# what it verifies with, from now on
sub secrets { my ($self, @secrets) = @_; spew("$self->{dir}/secrets", join('', map { "$_\n" } @secrets), 0644) }

# undef: none.  A status ('500', '410', '500 3' for the next three), 'hang', 'cut',
# 'hold' (until the fault is over), 'drip' (a byte a second), 'moved', 'junk' (no HTTP), 'headers' (too many), 'long',
# 'stuck' and 'short' (200, but the answer has no end, or is cut).
sub fault {
    my ($self, $fault) = @_;

    my $file = "$self->{dir}/fault";

    if (defined $fault) { spew($file, "$fault\n", 0644); own($file, 'smtp') }
    else                { unlink $file }
}

# all that has come, in its order
sub received {
    my ($self) = @_;

    return map { my $r = JSON::PP->new->decode($_); $r->{json} = eval { JSON::PP->new->decode($r->{body}) }; $r }
        split /^/, slurp("$self->{dir}/received") // '';
}

# waits until so many have come
sub comes {
    my ($self, $n, $seconds) = @_;

    my @all;
    wait_for($seconds // 40, sub { (@all = $self->received) >= $n });

    return @all;
}

sub DESTROY { local $?; $_[0]->stop if $_[0]{pid} }


1;
