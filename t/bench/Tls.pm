package Tls;

# The family's file as browsers get it, over TLS 1.3 and HTTP/2, and over plain
# HTTP/1.1: beside answers of nginx's own of the same size, by the same client.

use strict;
use warnings;

use List::Util qw(sum);
use Time::HiRes qw(sleep);

use Bench qw(command cpu cpu_between median);
use Portal::Client;
use Portal::Place qw(free_port make_dir slurp spew);

my $CLIENTS = 8;        # programs, each with a session of its own
my $DRAWN = 80;         # sessions of which those are taken whose files are usual


# o: as of Peers::measure; returns a list of [figure, now, end, format, values]
sub measure {
    my (%o) = @_;

    my $stack = $o{stack};
    my %type = (json => 'application/json', html => 'text/html');
    my @usual = _usual($stack, $o{town});
    my @cookies = map { $_->{cookie} } @usual;
    my %bytes = map { my $what = $_; $what => int sum(map { $_->{$what} } @usual) / @usual } keys %type;
    my %port = _server($stack, $o{town}, \%type, \%bytes);

    my (@order, %how);
    for my $over (qw(tls plain)) {
        for my $what (qw(json html)) {
            for my $path ("/bench/$what", '/famille') {
                my $name = $path eq '/famille' ? "${what}_$over" : "${what}_nginx_$over";
                push @order, $name;
                $how{$name} = sub { _load($stack, $o{seconds}, $o{connections}, $over,
                    "$o{town}.localhost:$port{$over}", $path, $type{$what}, $bytes{$what},
                    @cookies) };
            }
        }
    }
    my $got = $o{rounds}->(\@order, \%how);

    return map {
        my ($what, $name) = @$_;
        (["family $name, TLS 1.3 + HTTP/2 / return", '', '', '%.3f',
            $o{ratio}->($got, "${what}_tls", "${what}_nginx_tls")],
        ['  the same, plain HTTP/1.1', '', '', '%.3f',
            $o{ratio}->($got, "${what}_plain", "${what}_nginx_plain")],
        ['  TLS 1.3 + HTTP/2 / plain HTTP/1.1', '', '', '%.3f',
            $o{ratio}->($got, "${what}_tls", "${what}_plain")],
        ['  nginx CPU for one, TLS 1.3 + HTTP/2 (us)', '', '', '%.0f',
            map { $_->{cpu}{nginx} } @{ $got->{"${what}_tls"} }])
    } ['json', 'JSON'], ['html', 'HTML'];
}

# Sessions drawn at random, with the bytes of their family's file: those nearest to
# the median, since some of the programs get more answers than others.
sub _usual {
    my ($stack, $town) = @_;

    my @lines = split /^/, slurp("$stack->{dir}/sessions.tsv");
    my @drawn = map {
        my ($cookie) = split /\t/, $lines[rand @lines];
        { cookie => $cookie, json => _bytes($stack, $town, $cookie, 'application/json') };
    } 1 .. $DRAWN;
    my $median = median(map { $_->{json} } @drawn);
    my @usual = (sort { abs($a->{json} - $median) <=> abs($b->{json} - $median) } @drawn)
        [0 .. $CLIENTS - 1];
    $_->{html} = _bytes($stack, $town, $_->{cookie}, 'text/html') for @usual;

    return @usual;
}

sub _bytes {
    my ($stack, $town, $cookie, $type) = @_;

    my $c = Portal::Client->new(stack => $stack, town => $town);
    $c->cookie('__Host-portal', $cookie);
    my $r = $c->get('/famille', headers => { Accept => $type });
    die "/famille as $type: " . $r->status . "\n" if $r->status != 200;

    return length $r->content;
}

# one more server of the town, at two ports of its own
sub _server {
    my ($stack, $town, $type, $bytes) = @_;

    my $dir = make_dir("$stack->{dir}/tls", 0700);
    my %port = map { $_ => free_port() } qw(tls plain);

    command('sh', '-c', 'exec "$@" 2>&1', 'sh', qw(openssl req -x509 -newkey ec -pkeyopt
        ec_paramgen_curve:prime256v1 -nodes -days 2 -subj), "/CN=$town.localhost", '-keyout',
        "$dir/key.pem", '-out', "$dir/cert.pem");

    # a line of nginx's configuration holds 4 kB
    my $piece = 'x' x 1024;
    my $same = join "\n", map {
        my $text = '${piece}' x int($bytes->{$_} / 1024) . 'x' x ($bytes->{$_} % 1024);
        qq(location = /bench/$_ { default_type $type->{$_}; set \$piece "$piece"; return 200 "$text"; })
    } keys %$bytes;
    $stack->{http} .= <<"END";
    server {
        listen 127.0.0.1:$port{plain};
        listen 127.0.0.1:$port{tls} ssl http2;
        server_name $town.localhost;
        ssl_certificate $dir/cert.pem;
        ssl_certificate_key $dir/key.pem;
        ssl_protocols TLSv1.3;
        portal_tenant $town;
        include conf.d/portal/pages.inc;
        $same
    }
END
    spew($stack->nginx->dir . '/conf/nginx.conf', $stack->nginx->conf, 0600);
    $stack->reload;
    sleep 1;            # the old workers go

    return %port;
}

# several h2load at a time, since each has one cookie
sub _load {
    my ($stack, $seconds, $connections, $over, $host, $path, $type, $bytes, @cookies) = @_;

    my ($name, $port) = $host =~ /^(.*):(\d+)$/;
    my $before = cpu($stack);
    my @in = map {
        open my $in, '-|', 'h2load', '-D', $seconds, '-t', 1, '-c', $connections / @cookies,
            $over eq 'tls' ? () : '--h1', "--connect-to=127.0.0.1:$port", '-H', "cookie: __Host-portal=$_",
            '-H', "accept: $type", ($over eq 'tls' ? 'https' : 'http') . "://$host$path"
            or die "h2load: $!\n";
        $in;
    } @cookies;
    my ($requests, $data) = (0, 0);

    for my $in (@in) {
        local $/;
        my $said = <$in>;
        close $in;

        my $tls = $said =~ /^TLS Protocol: TLSv1\.3\b/m && $said =~ /^Application protocol: h2\b/m;
        my ($n, $failed) = $said =~ /^requests: .* (\d+) succeeded, (\d+) failed/m;
        my ($good, $others) = $said =~ /^status codes: (\d+) 2xx, (.*)$/m;
        die "h2load: $said\n" if !$n || $failed || $good < $n || $others =~ /[1-9]\d* [345]xx/
            || $over eq 'tls' && !$tls;
        $requests += $n;
        $data += ($said =~ /\((\d+)\) data$/m)[0];
    }

    die "h2load $path: $requests answers of " . $data / $requests . " bytes, not $bytes\n"
        if abs($data / $requests - $bytes) > 0.05 * $bytes;

    return { requests => $requests, seconds => $seconds, rate => $requests / $seconds,
        bytes => $data / $requests, cpu => cpu_between($before, cpu($stack), $requests) };
}


1;
