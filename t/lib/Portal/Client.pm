package Portal::Client;

# A browser without a screen: raw sockets, cookies, forms.  It connects to
# 127.0.0.1 and names the town's host, as a real one would.

use strict;
use warnings;

use Digest::SHA qw(sha256_hex);
use Encode ();
use IO::Socket::INET;
use JSON::PP ();
use Time::HiRes qw(sleep time);

use Portal::Page;
use Portal::Pending;


# Options: stack, town (saint-aubin), agents (true: their host), source (a 127.x address to come from, or
# what returns one),
# json (true: asks for JSON and posts it), node (1...: that one, past the
# balancer)
sub new {
    my ($class, %o) = @_;

    my $stack = $o{stack};

    my ($host, $url) = $o{agents} ? qw(agents_host agents_url) : qw(host url);

    return bless {
        %o, port => $o{node} ? ($stack->nodes)[$o{node} - 1]->port
            : $stack->port, origin => $stack->$url($o{town}),
        host => $stack->$host($o{town}) . ':' . $stack->port, cookies => {},
        timeout => $o{timeout} // 30,
    }, $class;
}


sub origin  { $_[0]{origin} }
sub cookies { $_[0]{cookies} }

# the value of a cookie; with a second argument sets it, undef forgets it
sub cookie {
    my ($self, $name, @value) = @_;

    if (@value) {
        if (defined $value[0]) { $self->{cookies}{$name} = $value[0] }
        else                   { delete $self->{cookies}{$name} }
    }

    return $self->{cookies}{$name};
}


sub get {
    my ($self, $path, %o) = @_;

    return $self->request('GET', $path, %o);
}

# body: text as it is; or a form: hash, or list of names and values; or, when
# the client is a JSON one, a hash to encode.  With the headers of a browser
# that posts from the town's own page.
sub post {
    my ($self, $path, $body, %o) = @_;

    my %headers = ('Sec-Fetch-Site' => 'same-origin',
        'Origin' => $self->{origin});

    if (ref $body && $self->{json}) {
        $headers{'Content-Type'} = 'application/json';
        $body = JSON::PP->new->utf8->canonical->encode($body);

    } elsif (ref $body) {
        $body = _urlencoded(ref $body eq 'HASH' ? %$body : @$body);
    }
    $headers{'Content-Type'} //= 'application/x-www-form-urlencoded';

    return $self->request('POST', $path, %o, body => $body,
        headers => { %headers, %{ $o{headers} // {} } });
}


# Fills the form of a page and sends it as it stands there: hidden fields and
# values that were there go with it.  form: part of its action, if the page
# has several besides « Se déconnecter ».
sub submit {
    my ($self, $page, $fields, %o) = @_;

    my $form = $page->form($o{form})
        or die 'no form ', $o{form} // '', " in the page\n", $page->text, "\n";
    my @pairs = @{ $form->{fields} };
    my %left = %{ $fields // {} };

    for (my $i = 0; $i < @pairs; $i += 2) {
        $pairs[$i + 1] = delete $left{ $pairs[$i] }
            if exists $left{ $pairs[$i] };
    }
    push @pairs, $_, $left{$_} for sort keys %left;

    # undef: leave this field out
    my @sent;
    while (my ($name, $value) = splice @pairs, 0, 2) {
        push @sent, $name, $value if defined $value;
    }

    my ($path) = split /#/, $form->{action} || $page->{path};

    return $self->post($path, \@sent, %o);
}


# goes where a 3xx leads, at most five times
sub follow {
    my ($self, $page) = @_;

    for (1 .. 5) {
        last if $page->status !~ /^30[1237]$/;
        $page = $self->get($page->location);
    }

    return $page;
}


# the fields that answer the page's captcha as a script does, when a person
# would have read so far
sub captcha {
    my ($self, $page) = @_;

    my $text = $page->content;
    my ($salt) = $text =~ /data-salt="([^"]*)"/ or return ();
    my ($target) = $text =~ /data-target="([^"]*)"/;
    my ($max) = $text =~ /data-max="(\d+)"/;

    for my $n (0 .. $max) {
        next if sha256_hex("$salt$n") ne $target;
        # the challenge is of the answer, not of a question that had to wait
        my $early = 3.2 - (time - $page->{time} - $page->{took});
        sleep $early if $early > 0;
        return (captcha_pow => $n);
    }

    die "the captcha has no solution\n";
}


# pending: only sends it, see Portal::Pending; forget: keeps no cookie of the
# answer
sub request {
    my ($self, $method, $path, %o) = @_;

    $path =~ s{^\Q$self->{origin}\E}{};
    my $body = $o{body};
    my %headers = ('Host' => $self->{host}, 'Connection' => 'close',
        'User-Agent' => 'Portal-Test', %{ $o{headers} // {} });

    $headers{Accept} //= $self->{json} ? 'application/json'
        : 'text/html,application/xhtml+xml,*/*;q=0.8';
    $headers{'Content-Length'} //= length $body if defined $body;
    $headers{Cookie} //= join '; ',
        map { "$_=$self->{cookies}{$_}" } sort keys %{ $self->{cookies} };

    # undef or '' leaves a header out
    my $head = join '', "$method $path HTTP/1.1\r\n",
        map { "$_: $headers{$_}\r\n" }
        grep { defined $headers{$_} && $headers{$_} ne '' } sort keys %headers;

    my $time = time;
    my $bytes = "$head\r\n" . ($body // '');
    my $finish = sub {
        my $page = Portal::Page->parse(shift, $path, $method eq 'HEAD');

        $page->{time} = $time;
        $page->{took} = time - $time;
        $self->_keep_cookies($page) if !$o{forget};

        # whatever a test is about: a keyboard gets from each error to its field
        if (my @dead = $page->dead_ends) {
            require Test::Builder;
            Test::Builder->new->ok(0, "$method $path: the errors lead to @dead");
        }

        return $page;
    };

    return Portal::Pending->new($self->socket, $bytes, $finish)
        if $o{pending};

    return $finish->($self->raw($bytes));
}


# an open socket to nginx, to misbehave with
sub socket {
    my ($self) = @_;

    return IO::Socket::INET->new(
        PeerAddr => '127.0.0.1', PeerPort => $self->{port},
        $self->{source} ? (LocalAddr => ref $self->{source}
            ? $self->{source}->() : $self->{source}) : (),
        Timeout => $self->{timeout},
    ) // die "cannot connect to port $self->{port}: $!\n";
}


# sends the bytes as they are and returns all that comes until the end
sub raw {
    my ($self, $bytes) = @_;

    my $s = $self->socket;
    my $answer = '';

    local $SIG{PIPE} = 'IGNORE';
    local $SIG{ALRM} = sub { die "no answer in $self->{timeout} s\n" };

    alarm $self->{timeout};
    print $s $bytes;
    while (sysread $s, my $part, 65536) {
        $answer .= $part;
    }
    alarm 0;

    return $answer;
}


sub _keep_cookies {
    my ($self, $page) = @_;

    for my $line ($page->headers('set-cookie')) {
        my ($name, $value, $rest) = $line =~ /^([^=]+)=([^;]*)(.*)/ or next;
        my ($age) = $rest =~ /max-age=(-?\d+)/i;

        if ($value eq '' || defined $age && $age <= 0) {
            delete $self->{cookies}{$name};
        } else {
            $self->{cookies}{$name} = $value;
        }
    }
}


sub _urlencoded {
    my @pairs = @_;
    my @out;

    while (my ($name, $value) = splice @pairs, 0, 2) {
        push @out, join '=', map {
            my $text = utf8::is_utf8($_) ? Encode::encode_utf8($_) : $_;
            $text =~ s/([^A-Za-z0-9_.*-])/sprintf '%%%02X', ord $1/ger;
        } $name, $value;
    }

    return join '&', @out;
}


1;
