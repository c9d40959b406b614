package Towns;

# Two hundred towns on one nginx, a server for each, or one server that reads
# the town from the host's name: memory, start, reload.

use strict;
use warnings;

use Time::HiRes qw(sleep time);

use Bench qw(resident);
use Portal::Client;
use Portal::Place qw(free_port wait_for);
use Portal::Stack;

my $TOWNS = 200;


# returns a list of [figure, format, value]
sub measure {
    my %conf = (each => \&_each, one => \&_one);
    my @found;

    for my $how (qw(each one)) {
        my $port = free_port();
        my $stack = Portal::Stack->new(port => $port, mail => 'file', workers => 2,
            http => $conf{$how}->($port));

        $stack->prepare;
        $stack->start_database;
        _make($stack);
        $stack->start_redis;
        $stack->start_mail;

        my $start = time;
        $stack->start_nginx;
        _answers($stack, 1);
        my $name = $how eq 'each' ? "$TOWNS towns, a server each" : "$TOWNS towns, one server";
        push @found, ["$name: first page (s)", '%.2f', time - $start];

        $start = time;
        _answers($stack, $_) for 1 .. $TOWNS;
        push @found, ['  a page of each (ms)', '%.1f', (time - $start) * 1000 / $TOWNS];
        push @found, ['  memory of the two workers (MiB)', '%.1f', resident($stack) / 1024];

        my %old = map { $_ => 1 } $stack->nginx->workers;
        $start = time;
        kill 'HUP', $stack->nginx->pid;
        wait_for(60, sub { 2 == grep { !$old{$_} } $stack->nginx->workers })
            or die "no reload\n";
        _answers($stack, $TOWNS);
        push @found, ['  reload, to the first page (s)', '%.2f', time - $start];

        $stack->stop;
    }

    return @found;
}

sub _each {
    my ($port) = @_;

    return join '', map { my $n = $_; map { my ($host, $agents, $pages) = @$_; <<"END" }
    server {
        listen 127.0.0.1:$port;
        server_name $host;
        portal_tenant commune-$n$agents;
        include conf.d/portal/$pages.inc;
    }
END
        ["commune-$n.localhost", '', 'pages'],
        ["commune-$n.agents.localhost", ' agents', 'agents'] } 1 .. $TOWNS;
}

sub _one {
    my ($port) = @_;

    return <<"END";
    server {
        listen 127.0.0.1:$port;
        server_name ~^(?<commune>[a-z0-9-]+)\\.localhost\$;
        portal_tenant \$commune;
        include conf.d/portal/pages.inc;
    }
    server {
        listen 127.0.0.1:$port;
        server_name ~^(?<commune>[a-z0-9-]+)\\.agents\\.localhost\$;
        portal_tenant \$commune agents;
        include conf.d/portal/agents.inc;
    }
END
}

sub _make {
    my ($stack) = @_;

    my $port = $stack->port;

    $stack->psql("select count(portal.make_town(jsonb_build_object(
        'slug', 'commune-' || n, 'name', 'Commune ' || n,
        'origin', 'http://commune-' || n || '.localhost:$port',
        'phone', '+33353010300', 'email', 'mairie\@commune-' || n || '.example')))
        from generate_series(1, $TOWNS) n");
}

sub _answers {
    my ($stack, $n) = @_;

    my $c = Portal::Client->new(stack => $stack, town => "commune-$n");
    my $page = $c->get('/connexion');

    die "commune-$n: " . $page->status . "\n"
        if $page->status != 200 || $page->content !~ /Commune $n\b/;
}


1;
