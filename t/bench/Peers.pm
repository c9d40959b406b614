package Peers;

# The portal beside what a town's programmers would take instead, in one run on
# the same data: the same family's file by nginx + Lua and by Django.
#
# Wherever it could be done either way the peers were made the faster: neither
# asks the database whether the session lives, what the town hides or who may see
# what; values that the portal has to open lie there opened; the query's plan is
# kept.  Lua's client (peers/pg.lua) does less than pgmoon, which is not in
# Debian.  So the ratios are rather too small than too large.  What cannot be had
# here, as Noethysweb's own portal, is not measured.

use strict;
use utf8;
use warnings;

use JSON::PP ();
use List::Util qw(sum);

use Bench qw(resident wrk);
use PeerServers;
use Portal::Client;
use Portal::Place qw(slurp);

my $CHECKED = 40;       # families whose files are compared


# o: stack, town, connections of wrk and to the database, seconds, and from
# t/bench/run rounds and ratio; returns a list of [figure, now, end, format,
# values]
sub measure {
    my (%o) = @_;

    my $stack = $o{stack};
    my $peers = PeerServers->new($stack, $o{database});
    my %by = (portal => $stack, lua => $peers->lua, django => $peers->django);

    my $bytes = _same(\%by, %o);

    my $run = sub {
        my ($who, $sessions, $path, $type) = @_;
        my $r = wrk($by{$who}, { threads => 1, connections => $o{connections},
            seconds => $o{seconds}, args => ['get', "$stack->{dir}/$sessions.tsv",
                "$o{town}.localhost:" . $by{$who}->port, $path, $type] });
        die "$who $path: $r->{wrong} wrong answers, $r->{broken} broken connections\n"
            if $r->{wrong} || $r->{broken};
        die "$who $path: answers of $r->{bytes} bytes\n"
            if $r->{bytes} < 0.6 * $bytes->{$who}{$type};
        return $r;
    };
    my %what = (
        portal_known => ['portal', 'few', '/famille', 'application/json'],
        lua_known    => ['lua', 'few', '/famille', 'application/json'],
        lua_text     => ['lua', 'few', '/famille/text', 'application/json'],
        portal_json  => ['portal', 'sessions', '/famille', 'application/json'],
        lua_json     => ['lua', 'sessions', '/famille', 'application/json'],
        django_json  => ['django', 'sessions', '/famille', 'application/json'],
        portal_html  => ['portal', 'sessions', '/famille', 'text/html'],
        django_html  => ['django', 'sessions', '/famille', 'text/html'],
    );
    my @order = qw(portal_known lua_known lua_text portal_json lua_json django_json
        portal_html django_html);

    # none is cold
    $run->(@{ $what{$_} }) for @order;
    my $got = $o{rounds}->(\@order,
        { map { my @how = @{ $what{$_} }; $_ => sub { $run->(@how) } } @order });
    my $ratio = sub { $o{ratio}->($got, @_) };
    my $each = sub { my ($name, $code) = @_; map { $code->($_) } @{ $got->{$name} } };

    # known: the sessions are in shared memory, of the portal and of Lua; else the
    # portal asks Redis, as Django always does, and Lua does not
    my @figures = (
        ['family JSON / nginx + Lua', '>= 1.80', '>= 5.00', '%.2f', $ratio->('portal_known', 'lua_known')],
        ['  / Lua that passes the text on', '', '', '%.2f', $ratio->('portal_known', 'lua_text')],
        ['  the first, the portal asks Redis', '', '', '%.2f', $ratio->('portal_json', 'lua_json')],
        ['family JSON / Django, one raw query', '', '', '%.1f', $ratio->('portal_json', 'django_json')],
        ['family HTML / Django, ORM and template', '>= 25', '>= 100', '%.1f',
            $ratio->('portal_html', 'django_html')],
    );
    for my $name (qw(lua_known lua_text django_json django_html)) {
        push @figures, ["  a second: $name", '', '', '%.0f', $each->($name, sub { $_[0]{rate} })];
    }
    for my $name (@order) {
        push @figures, ["  CPU of all servers: $name (us)", '', '', '%.0f',
            $each->($name, sub { my $cpu = $_[0]{cpu}; sum @$cpu{qw(nginx postgres redis)} })];
    }
    push @figures, ["  bytes of the page: $_", '', '', '%.0f', $bytes->{$_}{'text/html'}]
        for qw(portal django);
    push @figures, ["  memory of the workers: $_ (MiB)", '', '', '%.0f', resident($by{$_}) / 1024]
        for qw(portal lua django);

    $peers->stop;

    return @figures;
}


### the same facts

# bytes of a family's file: { who => { type => bytes } }.  Dies when somebody
# answers something else than the portal, or without a session.
sub _same {
    my ($by, %o) = @_;

    my @lines = split /^/, slurp("$o{stack}{dir}/sessions.tsv");
    my @cookies = map { (split /\t/, $lines[rand @lines])[0] } 1 .. $CHECKED;
    my %bytes;

    for my $cookie (@cookies) {
        my $get = sub { _get($by, $o{town}, $cookie, @_) };
        my ($json, $html) = map { $get->('portal', '/famille', $_) } 'application/json', 'text/html';
        my $page = $get->('django', '/famille', 'text/html');

        $bytes{portal}{'application/json'} += length $json->content;
        $bytes{portal}{'text/html'} += length $html->content;
        $bytes{django}{'text/html'} += length $page->content;
        _equal('the page by Django', _words($html), _words($page));

        for my $one (['lua', '/famille'], ['lua', '/famille/text'], ['django', '/famille']) {
            my $theirs = $get->(@$one, 'application/json');
            _equal("the file by @$one", _facts($json), _facts($theirs));
            $bytes{ $one->[0] }{'application/json'} += length $theirs->content
                if $one->[1] eq '/famille';
        }
    }

    for my $who (keys %bytes) {
        $_ /= @cookies for values %{ $bytes{$who} };
    }
    my ($ours, $theirs) = map { $bytes{$_}{'text/html'} } qw(portal django);
    die "pages of $theirs bytes by Django, of $ours by the portal\n"
        if abs($theirs - $ours) > 0.15 * $ours;

    for my $who (keys %$by) {
        my $r = Portal::Client->new(stack => $by->{$who}, town => $o{town}, json => 1)
            ->get('/famille');
        die "$who, without a session: " . $r->status . "\n" if $r->status != 401;
    }

    return \%bytes;
}

sub _get {
    my ($by, $town, $cookie, $who, $path, $type) = @_;

    my $c = Portal::Client->new(stack => $by->{$who}, town => $town);
    $c->cookie('__Host-portal', $cookie);
    my $r = $c->get($path, headers => { Accept => $type });
    die "$who $path: " . $r->status . "\n" if $r->status != 200;

    return $r;
}

# All but the token of the portal's forms.  Debian's cjson writes a list with
# nothing in it as an object.
sub _facts {
    my ($answer) = @_;

    my $json = JSON::PP->new->utf8->canonical->allow_bignum;
    my $file = $json->decode($answer->content);
    delete $file->{csrf};

    return $json->encode($file) =~ s/\{\}/[]/gr;
}

# what is to be read in the middle of a page, and where it leads
sub _words {
    my ($page) = @_;

    ($page->{content}) = $page->content =~ m{(<main.*</main>)}s or die "no main in the page\n";

    return join ' ', $page->text, sort keys %{ $page->links };
}

sub _equal {
    my ($what, $ours, $theirs) = @_;

    die "$what is another one:\n$ours\n$theirs\n" if $ours ne $theirs;
}


1;
