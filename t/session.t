#!/usr/bin/perl

# Sessions: the cookie, what it is worth, and how it ends everywhere.

use strict;
use warnings;
use utf8;

use Portal::Test;

my $portal = portal();
my $camille = account(qr/couple/);
my $julien = (grep { $_->{email} =~ /^julien/ } @{ $portal->demo->{accounts} })[0];

sub in {
    my ($person, %o) = @_;

    my $c = client(%o);
    my $r = sign_in($c, $person);
    die 'no log-in: ', $r->status, "\n" if $r->status != 303;

    return ($c, $r);
}

# another browser with that cookie alone
sub with_cookie {
    my ($value, %o) = @_;

    my $c = client(%o);
    $c->cookie('__Host-portal', $value);

    return $c;
}


### the cookie

my ($c, $r) = in($camille);
my ($cookie) = $r->headers('set-cookie');
like $cookie, qr/^__Host-portal=[\w-]{43}; /, '32 random bytes';
like $cookie, qr/; Path=\/(?:;|$)/, 'Path=/';
like $cookie, qr/; Secure(?:;|$)/, 'Secure';
like $cookie, qr/; HttpOnly(?:;|$)/, 'HttpOnly';
like $cookie, qr/; SameSite=Lax(?:;|$)/, 'SameSite=Lax';
unlike $cookie, qr/Domain=/i, 'no Domain';
unlike $cookie, qr/Max-Age|Expires/i, 'ends with the browser';
my ($visit) = client()->get('/connexion')->headers('set-cookie');
like $visit, qr/^__Host-visit=[\w-]{43}; Path=\/; Secure; HttpOnly; SameSite=Lax$/,
    'the visitor\'s likewise';
for my $odd ('', '!' x 43, 'A' x 42, 'A' x 44) {
    my $c = client();
    $c->cookie('__Host-visit', $odd);
    like join(' ', $c->get('/connexion')->headers('set-cookie')),
        qr/__Host-visit=[\w-]{43};/, "and anew for « $odd »";
    is sign_in($c, $camille)->status, 303, 'which is good then';
}
is scalar(my @none = client()->get('/')->headers('set-cookie')), 0,
    'a page without a form sets none';


### T053 rotation, T052 adoption

my $first = $c->cookie('__Host-portal');
my ($token) = $c->get('/mon-espace')->content =~ /name="csrf" value="([^"]+)"/;
$c->post('/connexion', { csrf => $token, email => $camille->{email},
    password => $camille->{password} });
my $second = $c->cookie('__Host-portal');
isnt $second, $first, 'T053 a new log-in, a new identifier';
is with_cookie($first)->get('/mon-espace')->status, 303,
    'T053 the old one is refused at once';
is with_cookie($second)->get('/mon-espace')->status, 200, 'the new one is good';
my $rows = counted('session');
my $chosen = 'A' x 42 . 'E';
is with_cookie($chosen)->get('/mon-espace')->status, 303,
    'T052 an identifier made elsewhere is nobody';
is counted('session'), $rows, 'T052 and makes no row';
unlike $portal->redis_cli('KEYS', '*'), qr/\Q$chosen/, 'T052 nor a record';
my $fix = with_cookie($chosen);
sign_in($fix, $julien);
isnt $fix->cookie('__Host-portal'), $chosen, 'T052 log-in never keeps what came';


### T061 duplicates, T062 other carriers

my $sid = $second;
my %cookies = (
    "__Host-portal=$sid; __Host-portal=$sid" => 303,
    "__Host-portal=$sid; __Host-portal=$chosen" => 303,
    "__Host-portal=$chosen; __Host-portal=$sid" => 303,
    "portal=$sid" => 303, "__host-portal=$sid" => 303, "__Secure-portal=$sid" => 303,
    "x__Host-portal=$sid" => 303, "__Host-portalx=$sid" => 303,
    "__Host-portal=$sid; portal=$chosen" => 200,
    ";;; __Host-portal=$sid ;;;" => 200,
    "__Host-portal=\"$sid\"" => 303, "__Host-portal=$sid=" => 303,
    '__Host-portal=' => 303, '__Host-portal' => 303,
    "__Host-portal=" . substr($sid, 0, 42) => 303, "__Host-portal=${sid}A" => 303,
    "__Host-portal=" . 'x' x 2000 => 303,
    join('; ', map { "c$_=v" } 1 .. 200) . "; __Host-portal=$sid" => 200,
    "__Host-portal=$sid; " . join('; ', ("__Host-portal=$chosen") x 50) => 303,
);
for my $text (sort keys %cookies) {
    is client()->get('/mon-espace', headers => { Cookie => $text })->status,
        $cookies{$text}, 'T061 ' . substr $text =~ s/[\w-]{43}/…/gr, 0, 60;
}
{
    my $raw = client();
    my $two = $raw->raw("GET /mon-espace HTTP/1.1\r\nHost: $raw->{host}\r\n"
        . "Cookie: __Host-portal=$sid\r\nCookie: __Host-portal=$chosen\r\n"
        . "Connection: close\r\n\r\n");
    like $two, qr{^HTTP/1\.1 303}, 'T061 two Cookie lines that disagree';
}
for my $carrier (["/mon-espace?__Host-portal=$sid"], ["/mon-espace?sid=$sid"],
    ['/mon-espace', Authorization => "Bearer $sid"],
    ['/mon-espace', 'X-Auth' => $sid], ['/mon-espace', 'X-Session' => $sid],
    ['/mon-espace', 'X-Portal-Account' => '1'])
{
    my ($path, %h) = @$carrier;
    is client()->get($path, headers => \%h)->status, 303,
        "T062 $path " . join ' ', keys %h;
}
{
    my $x = client();
    my %form = @{ $x->get('/connexion')->form->{fields} };
    for my $name ('__Host-portal', 'sid', 'session') {
        my $r = $x->post('/mes-abonnements/nouveau', { %form, $name => $sid,
            code => 'K7QF-2MXD-9HTB', step => 'search' });
        is $r->status, 303, "T062 in a body, as $name";
        like $r->location, qr{^/connexion}, 'T062 to the log-in';
    }
}


### T064 another town

my $there = client(town => 'beaulieu');
$there->cookie('__Host-portal', $sid);
is $there->get('/mon-espace')->status, 303, 'T064 nobody in the other town';
is $there->get('/famille', headers => { Accept => 'application/json' })->status, 401,
    'T064 JSON';
is $c->get('/mon-espace')->status, 200, 'T064 and still somebody in its own';


### T065 what Redis holds

{
    my @keys = split /\n/, $portal->redis_cli('KEYS', '*');
    ok @keys >= 2, 'T065 keys there are';
    is scalar(grep { !/^(?:sess|seen):[0-9a-f]{64}$/ } @keys), 0,
        'T065 only MACs' or diag join "\n", @keys;
    is scalar(grep { /\Q$sid/ } @keys), 0, 'T065 no cookie is a key';
    my ($mac) = map { /^sess:(.*)/ } @keys;
    is with_cookie($mac)->get('/mon-espace')->status, 303, 'T065 a key is no cookie';
    my $values = join '', map { $portal->redis_cli('GET', $_) } @keys;
    unlike $values, qr/Camille|Martin/, 'T065 no name in a value';

    # two records exchanged
    my ($a) = in($camille, source => '127.0.2.1');
    my ($b) = in($julien, source => '127.0.2.1');
    my %sess = map { $_ => 'sess:' . tool("mac\tsaint-aubin\tsession\t$_") }
        $a->cookie('__Host-portal'), $b->cookie('__Host-portal');
    my ($ka, $kb) = @sess{ $a->cookie('__Host-portal'), $b->cookie('__Host-portal') };
    like $portal->redis_cli('EXISTS', $ka), qr/1/, 'T065 its key is the MAC';
    $portal->redis_cli('RENAME', $ka, 'sess:x');
    $portal->redis_cli('RENAME', $kb, $ka);
    $portal->redis_cli('RENAME', 'sess:x', $kb);
    is $a->get('/mon-espace')->status, 303, 'T065 an exchanged record opens for nobody';
    is $b->get('/mon-espace')->status, 303, 'T065 nor the other';
}


### log-out, here and on another node

SKIP: {
    my $node = eval { second_node() } or skip "no second node: $@", 8;
    my ($a) = in($camille, source => '127.0.2.2');
    my $sid = $a->cookie('__Host-portal');
    my $b = Portal::Client->new(stack => $node);
    $b->cookie('__Host-portal', $sid);
    # which has first to reach Redis
    ok wait_for(5, sub { $b->get('/mon-espace')->status == 200 }),
        'the session holds on a second nginx';
    $b->get('/mon-espace') for 1 .. 4;      # in both workers' reach
    my $out = $a->submit($a->get('/mon-espace'), {}, form => '/deconnexion');
    is $out->status, 303, 'logged out on the first';
    like join(' ', $out->headers('set-cookie')), qr/__Host-portal=;.*Max-Age=0/,
        'the cookie is taken back';
    is with_cookie($sid)->get('/mon-espace')->status, 303, 'dead here';
    my $dead = 0;
    wait_for(2, sub { $dead = $b->get('/mon-espace')->status == 303 });
    ok $dead, 'T053 dead on the second at once';
    is $b->get('/mon-espace')->status, 303, 'and stays so';

    # T068: requests under way do not bring it back
    my ($x) = in($camille, source => '127.0.2.3');
    my $xid = $x->cookie('__Host-portal');
    my $page = $x->get('/mon-espace');
    my @flying = map {
        my $s = $x->socket;
        print $s "GET /mon-espace HTTP/1.1\r\nHost: $x->{host}\r\n"
            . "Cookie: __Host-portal=$xid\r\nConnection: close\r\n\r\n";
        $s;
    } 1 .. 20;
    $x->submit($page, {}, form => '/deconnexion');
    local $/;
    my @got = map { <$_> } @flying;
    is with_cookie($xid)->get('/mon-espace')->status, 303, 'T068 not resurrected';
    my $key = 'sess:' . tool("mac\tsaint-aubin\tsession\t$xid");
    like $portal->redis_cli('EXISTS', $key), qr/^\(?(?:integer\) )?0/, 'T068 nor in Redis';

    $node->stop;
}

sub second_node {
    my $node = Portal::Stack->new(
        name => "test-$$-node", mail => 'file', port => Portal::Place::free_port(),
        external => {
            database => $portal->pg->conninfo('portal_web'),
            jobs => $portal->pg->conninfo('portal_jobs'),
            redis => 'unix:' . $portal->redis_socket
                . " password=$portal->{redis_password}",
            keys => $portal->keys,
        },
    );
    $node->start;

    return $node;
}


### PostgreSQL decides: rows ended, epochs, accounts, age

for my $case (
    ['the row ended', 'update portal.session set ended_at = now() where ended_at is null'],
    ['the epoch moved', "update portal.account set epoch = epoch + 1 where email = '$julien->{email}'"],
    ['T058 the absolute age passed', "update portal.session set opened_at = now() - interval '2 days', absolute_until = now() - interval '1 s'"],
    ['T059 the account closed', "update portal.account set state = 'closed' where email = 'ines.faure\@exemple.fr'",
        account(qr/unlinked/)])
{
    my ($what, $sql, $who) = @$case;
    my ($x) = in($who // $julien, source => '127.0.2.4');
    is $x->get('/mon-espace')->status, 200, "$what: before";
    $portal->psql($sql);
    my $r = $x->get('/mon-espace');
    is $r->status, 303, "$what: after";
    is $r->location, '/connexion?avis=session', "$what: to the log-in";
    ok !defined $x->cookie('__Host-portal'), "$what: the cookie is taken back";
}

# T058 idle: the last use is no longer known
{
    my ($x) = in($julien, source => '127.0.2.5');
    my $mac = tool("mac\tsaint-aubin\tsession\t" . $x->cookie('__Host-portal'));
    $portal->redis_cli('DEL', "seen:$mac");
    is $x->get('/mon-espace')->status, 303, 'T058 idle for too long';
}

# a flushed Redis logs everybody out, and nothing breaks
{
    my ($x) = in($camille, source => '127.0.2.6');
    is $x->get('/mon-espace')->status, 200, 'before the flush';
    $portal->redis_cli('FLUSHALL');
    my $status = 0;
    wait_for(3, sub { ($status = $x->get('/mon-espace')->status) == 303 });
    is $status, 303, 'T055 a flushed Redis: log in again';
    my ($y) = in($camille, source => '127.0.2.6');
    is $y->get('/mon-espace')->status, 200, 'which works';
}

# a log-out whose answer was lost is sent again, and one comes when the session
# is over: there is nothing left to refuse
for my $json (0, 1) {
    my $as = $json ? 'JSON' : 'HTML';
    my %accept = $json ? (headers => { Accept => 'application/json' }) : ();
    my ($page, %out);
    my $lived = sub {
        my ($x) = in($camille, source => '127.0.2.8');
        $page = $x->get('/mon-espace');
        %out = (csrf => $page->content =~ /name="csrf" value="([^"]+)"/);
        return $x;
    };
    my $leads = sub {
        my ($x, $what) = @_;
        my $r = $x->post('/deconnexion', { %out }, %accept);
        is $r->status, $json ? 200 : 303, "$as: $what";
        is $json ? $r->json->{location} : $r->header('location'),
            $json ? '/' : '/?avis=signed_out#contenu', 'where a log-out leads';
        return $r;
    };

    my $x = $lived->();
    my $sid = $x->cookie('__Host-portal');
    $leads->($x, 'logged out');
    $x->cookie('__Host-portal', $sid);
    my $audit = "select count(*) from portal.audit where action = 'sign_out'";
    my $had = $portal->psql($audit);
    my $r = $leads->($x, 'once more, with the cookie of before');
    like join(' ', $r->headers('set-cookie')), qr/__Host-portal=;.*Max-Age=0/,
        'which is taken back';
    $leads->($x, 'and without');
    $x->cookie('__Host-visit', undef);
    $leads->($x, 'nor a visitor\'s');
    is $portal->psql($audit), $had, 'no trace of what was not done';

    # PostgreSQL has ended it, Redis not yet
    $x = $lived->();
    $portal->psql('update portal.session set ended_at = now() where ended_at is null');
    $leads->($x, 'ended elsewhere');
    ok !defined $x->cookie('__Host-portal'), 'and taken back';

    # Redis has lost it, PostgreSQL not: it must not come back with a dump
    $x = $lived->();
    my $mac = tool("mac\tsaint-aubin\tsession\t" . $x->cookie('__Host-portal'));
    $portal->redis_cli('DEL', "sess:$mac");
    wait_for(5, sub { $x->get('/mon-espace')->status == 303 });
    $leads->($x, 'lost by Redis');
    is $portal->psql("select count(*) from portal.session where ended_at is null
        and hash = decode('$mac', 'hex')"), 0, 'its row has ended';

    # from elsewhere it is refused as ever, and with a live session needs the token
    for my $headers ({ 'Sec-Fetch-Site' => 'cross-site' }, { 'Sec-Fetch-Site' => '',
        Origin => 'http://evil.example' }, { 'Sec-Fetch-Site' => '', Origin => '' })
    {
        is $x->post('/deconnexion', { %out }, headers => { %{ $accept{headers} // {} },
            %$headers })->status, 403, "$as: from elsewhere: " . join ' ', %$headers;
    }
    $x = $lived->();
    is $x->post('/deconnexion', { csrf => 'A' x 86 }, %accept)->status, 403,
        "$as: a live session ends by its token only";
    is $x->get('/mon-espace')->status, 200, 'and lives on';
}

# T067 after a log-out
{
    my ($x) = in($camille, source => '127.0.2.7');
    is $x->get('/famille')->header('cache-control'), 'no-store', 'T067 no-store';
    my $out = $x->submit($x->get('/mon-espace'), {}, form => '/deconnexion');
    is $out->header('cache-control'), 'no-store', 'T067 the answer as well';
    is $out->header('clear-site-data'), '"cache"',
        'T067 and the browser is told to forget what it kept';
    is $portal->psql('select count(*) from portal.session where ended_at is null
        and account_id = (select id from portal.account where email = \''
        . $camille->{email} . "' ) and opened_at > now() - interval '1 s'") >= 0, 1,
        'rows of sessions stay for the audit';
}

done_testing;
