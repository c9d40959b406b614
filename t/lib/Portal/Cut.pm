package Portal::Cut;

# Stands between nginx and PostgreSQL and, when told so, lets a statement be
# executed and its transaction end, and then swallows the answer: what nobody
# can tell from a statement that was never executed.
#
#     my $cut = Portal::Cut->new($socket, $postgresql);
#     $cut->at('subscribe', 'after', 0);      # the next one only
#     $cut->done;                             # true once it has happened

use strict;
use warnings;

use IO::Select;
use IO::Socket::UNIX;
use POSIX ();

use Portal::Place qw(slurp spew);


sub new {
    my ($class, $from, $to) = @_;

    my $listen = IO::Socket::UNIX->new(Local => $from, Listen => 64)
        or die "$from: $!\n";
    chmod 0777, $from;

    my $self = bless { order => "$from.order", owner => $$ }, $class;

    $self->{pid} = fork // die "fork: $!\n";
    if ($self->{pid} == 0) {
        # no END block of the test runs here
        $SIG{$_} = 'DEFAULT' for qw(INT TERM HUP);
        $SIG{PIPE} = 'IGNORE';
        eval { $self->_carry($listen, $to) };
        POSIX::_exit(0);
    }

    return $self;
}

# how: 'before' PostgreSQL hears of it the connection ends; 'after' the end of
# the transaction, so many bytes of the answer having come through (from its
# end when negative); 'silent': likewise, but the connection stays open
sub at {
    my ($self, $statement, $how, $bytes) = @_;

    spew($self->{order}, join ' ', $statement, $how, $bytes // 0);
}

sub done { return !-e $_[0]{order} }

sub stop {
    my ($self) = @_;

    kill 'TERM', $self->{pid};
    waitpid $self->{pid}, 0;
    delete $self->{owner};
}

sub DESTROY {
    my ($self) = @_;
    local $?;

    $self->stop if ($self->{owner} // 0) == $$;
}


sub _carry {
    my ($self, $listen, $to) = @_;

    my $select = IO::Select->new($listen);
    my %line;                   # by descriptor: { in, out, how, answer }

    while (my @ready = $select->can_read) {
        for my $s (@ready) {
            if ($s == $listen) {
                my $in = $listen->accept or next;
                my $out = IO::Socket::UNIX->new(Peer => $to) or next;
                my $line = { in => $in, out => $out };
                @line{ fileno $in, fileno $out } = ($line, $line);
                $select->add($in, $out);
                next;
            }

            my $line = $line{ fileno $s // next } or next;
            my $n = sysread $s, my $part, 65536;
            next if $n && ($s == $line->{in} ? $self->_asked($line, $part)
                : _answered($line, $part));

            $select->remove(@$line{qw(in out)});
            delete @line{ map { fileno $_ } @$line{qw(in out)} };
            close $_ for @$line{qw(in out)};
        }
    }
}

# false: the connection ends
sub _asked {
    my ($self, $line, $part) = @_;

    if (!$line->{how} && (my $order = slurp($self->{order}))) {
        my ($statement, $how, $bytes) = split ' ', $order;

        # Bind names the statement after the portal, which has no name
        if ($part =~ /B.{4}\0\Q$statement\E\0/s) {
            unlink $self->{order};
            return if $how eq 'before';
            @$line{qw(how bytes answer)} = ($how, $bytes, '');
        }
    }

    return syswrite $line->{out}, $part;
}

sub _answered {
    my ($line, $part) = @_;

    return syswrite $line->{in}, $part if !$line->{how};

    # ReadyForQuery: the transaction is over
    $line->{answer} .= $part;
    return 1 if $line->{answer} !~ /Z\x00\x00\x00\x05[ITE]\z/s;

    my $keep = $line->{bytes} < 0
        ? length($line->{answer}) + $line->{bytes} : $line->{bytes};
    syswrite $line->{in}, substr $line->{answer}, 0, $keep if $keep > 0;

    return $line->{how} eq 'silent';
}


1;
