package Portal::Pending;

# A request that was sent and whose answer is read later, maybe with others:
#
#     my @sent = map { $c->get('/famille', pending => 1) } 1 .. 20;
#     my @pages = Portal::Pending->pages(@sent);

use strict;
use warnings;

use IO::Select;
use Socket qw(SOL_SOCKET SO_LINGER);
use Time::HiRes qw(time);


# finish: makes a page of all the bytes that came
sub new {
    my ($class, $socket, $bytes, $finish) = @_;

    my $self = bless { socket => $socket, finish => $finish, answer => '' },
        $class;

    local $SIG{PIPE} = 'IGNORE';
    $socket->autoflush(1);
    print $socket $bytes;
    $socket->blocking(0);

    return $self;
}


# the answer, after seconds (30) at most; a page with status 0 when there is
# none
sub page {
    my ($self, $seconds) = @_;

    return (ref($self)->_read($seconds // 30, $self))[0];
}

sub pages {
    my ($class, @pending) = @_;

    return $class->_read(30, @pending);
}

sub _read {
    my ($class, $seconds, @pending) = @_;

    my $end = time + $seconds;
    my %left = map { fileno $_->{socket} => $_ }
        grep { !$_->{page} } @pending;
    my $select = IO::Select->new(map { $_->{socket} } values %left);

    while (%left && (my $wait = $end - time) > 0) {
        for my $socket ($select->can_read($wait)) {
            my $one = $left{ fileno $socket };
            my $n = sysread $socket, $one->{answer}, 65536,
                length $one->{answer};

            next if !defined $n && $!{EAGAIN};
            next if $n;
            $select->remove($socket);
            delete $left{ fileno $socket };
            $one->_end;
        }
    }

    $_->_end for values %left;

    return map { $_->{page} } @pending;
}

sub _end {
    my ($self) = @_;

    $self->{page} //= $self->{finish}->($self->{answer});
    close $self->{socket};
}


# the client is gone: with a reset, or as politely as a closed tab
sub drop {
    my ($self, %o) = @_;

    setsockopt $self->{socket}, SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0
        if $o{reset};
    close $self->{socket};
}


1;
