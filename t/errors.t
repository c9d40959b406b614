#!/usr/bin/perl

# What goes wrong, shown in the portal's own words: as HTML and as JSON, with
# the headers of every other page, and without what was sent in it.

use strict;
use warnings;
use utf8;

use Portal::Test;

my $broken = 'location = /t/broken { portal_allow public; portal_get no_such_function home; }';
my $portal = portal(server => $broken, agents => $broken);
my $camille = account(qr/couple/);
my $mark = 'refl3ct<b>"\'me';
my $esc = 'refl3ct%3Cb%3E%22%27me';

my %HEADERS = (
    'content-security-policy' => qr/^default-src 'none'; .*form-action 'self'; base-uri 'none'; frame-ancestors 'none'; report-uri \/rapports-csp; report-to portal$/,
    'x-content-type-options' => qr/^nosniff$/, 'x-frame-options' => qr/^DENY$/,
    'referrer-policy' => qr/^same-origin$/, 'cache-control' => qr/^no-store$/,
    'cross-origin-opener-policy' => qr/^same-origin$/,
    'cross-origin-resource-policy' => qr/^same-origin$/,
    'vary' => qr/^Accept, Accept-Language, Cookie$/,
);

sub guarded {
    my ($r, $what) = @_;

    my @wrong = grep {
        my @values = $r->headers($_);
        @values != 1 || $values[0] !~ $HEADERS{$_};
    } sort keys %HEADERS;

    is_deeply \@wrong, [], "T158 $what: headers" or diag $r->{raw} =~ s/\r\n\r\n.*//sr;
}


### every kind of error, in both forms

my $form = 'application/x-www-form-urlencoded';
my $in = client(source => '127.0.5.1');
sign_in($in, $camille);

my @cases = (
    # status, method, path, headers, body, client
    [404, 'GET', "/$esc"], [404, 'GET', '/famille/x.css'], [404, 'GET', '/famille;a.css'],
    [404, 'GET', '/famille%2fx.js'], [404, 'GET', '/static/../nowhere'],
    [404, 'POST', "/$esc", {}, 'a=b'], [404, 'GET', '/_erreur'],
    [405, 'POST', '/', {}, 'a=b'], [405, 'PUT', '/connexion', {}, 'a=b'],
    [405, 'DELETE', "/connexion?$esc"], [405, 'GET', '/deconnexion'],
    [405, 'FOO', '/'], [405, 'PROPFIND', '/'], [405, 'TRACE', '/'],
    [413, 'POST', '/connexion', {}, 'a=' . 'b' x 66_000],
    [413, 'POST', '/connexion', { 'Content-Length' => 10_000_000 }, 'a=b'],
    [415, 'POST', '/connexion', { 'Content-Type' => "text/$esc" }, 'a=b'],
    [415, 'POST', '/connexion', { 'Content-Encoding' => 'gzip' }, 'a=b'],
    [400, 'POST', '/connexion', {}, "$esc=%zz"],
    [400, 'GET', '/', { 'X-Long' => 'x' x 9000 }],
    [403, 'POST', '/connexion', {}, "csrf=$esc"],
    [403, 'POST', '/connexion', { 'Sec-Fetch-Site' => 'cross-site' }, 'a=b'],
    [404, 'GET', '/famille/enfants/98765', {}, undef, $in],
    [412, 'GET', '/static/portal.css', { 'If-Match' => "\"$esc\"" }],
    [416, 'GET', '/static/portal.css', { Range => 'bytes=9999999-' }],
);

for my $case (@cases) {
    my ($status, $method, $path, $headers, $body, $c) = @$case;
    $c //= client(source => '127.0.5.2');
    my $what = "$status $method " . substr $path, 0, 30;
    my %more = ($body ? ('Content-Type' => $form, 'Sec-Fetch-Site' => 'same-origin') : (),
        %{ $headers // {} });

    for my $json (0, 1) {
        my $as = $what . ($json ? ' JSON' : ' HTML');
        my $r = $c->request($method, $path, body => $body, headers =>
            { %more, $json ? (Accept => 'application/json') : () });

        is $r->status, $status, $as or next;
        guarded($r, $as);
        unlike $r->content, qr/refl3ct/, "T152 $as: nothing of what was sent";
        unlike $r->content, qr/<center>nginx/, "$as: a page of ours";
        ok length $r->header('allow') // '', "T170 $as: Allow" if $status == 405
            && $method ne 'TRACE';
        if ($json) {
            is $r->header('content-type'), 'application/problem+json', "$as: type";
            my $p = eval { $r->json } // {};
            is $p->{status}, $status, "$as: status inside";
            ok $p->{title} && $p->{detail} && exists $p->{type}, "$as: RFC 9457";
            like $p->{instance}, qr/^[0-9a-f]{32}$/, "$as: a reference";
        } else {
            is $r->header('content-type'), 'text/html; charset=utf-8', "$as: type";
            like $r->content, qr{<html lang="fr">.*<h1>[^<]+</h1>}s, "$as: says it";
            like $r->text, qr/Revenir à l’accueil/, "$as: a way on";
        }
    }
}

# of a function that the database lacks
{
    my $r = client()->get('/t/broken');
    is $r->status, 503, 'a function that is not there: 503';
    guarded($r, '503');
    unlike $r->content, qr/no_such_function|portal\.(?!css|js)|SQLSTATE|42883/, 'nothing of the inside';
    is client(json => 1)->get('/t/broken')->json->{status}, 503, 'JSON: 503';
}

# who is called is not the same for families and for agents
for (['/nulle-part', 404], ['/t/broken', 503]) {
    my ($path, $status) = @$_;
    my ($family, $agent) = map { $_->get($path) } client(), client(agents => 1);
    my $why = $status == 503 ? qr/Rien n’est perdu.: réessayez/ : qr/n’existe/;

    is $_->status, $status, "$status to either" for $family, $agent;
    like $_->text, $why, 'and why' for $family, $agent;
    like $family->text, qr/Appelez le 0\d.*Si vous nous appelez, donnez cette référence.: [0-9a-f]{32}/,
        'a family is told whom to call';
    unlike $agent->content, qr{href="tel:|ous appelez}, 'an agent is not told to call themselves';
    like $agent->text, qr/la personne qui administre le portail dans votre mairie\. Donnez-lui cette référence.: [0-9a-f]{32}/,
        'but who looks after the portal';
}

# what nginx answers before it knows whose page it is
{
    my $c = client();
    like $c->raw("GET /$esc" . 'x' x 40_000 . " HTTP/1.1\r\nHost: $c->{host}\r\n\r\n"),
        qr{^HTTP/1\.1 414}, 'T167 a line too long';
    like $c->raw("GET /a%00b HTTP/1.1\r\nHost: $c->{host}\r\n\r\n"), qr{400 Bad},
        'T172 a NUL in the address';
    expect_complaint(qr/portal: answered 505/);
    like $c->raw("GET / HTTP/3.0\r\nHost: $c->{host}\r\nConnection: close\r\n\r\n"),
        qr{^HTTP/1\.1 505 .*default-src 'none'.*Revenir .{1,8}accueil}s, 'an HTTP that is none';
    like $c->raw("get / HTTP/1.1\r\nHost: $c->{host}\r\n\r\n"), qr{400 Bad}, 'T170 get';
    like $c->raw("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), qr{400 Bad},
        'T049 two Hosts';
    like $c->raw("GET / HTTP/1.1\r\n\r\n"), qr{400 Bad}, 'T049 no Host';
    my $split = $c->raw("GET http://$c->{host}/connexion HTTP/1.1\r\nHost: evil.example"
        . "\r\nConnection: close\r\n\r\n");
    unlike $split, qr/evil\.example/, 'T046 the Host that lies is never shown';
    for my $host ('LOCALHOST:' . $portal->port, 'localhost.:' . $portal->port) {
        my $r = $c->get('/connexion', headers => { Host => $host });
        is $r->status, 200, "T047 Host: $host";
        unlike $r->content, qr/\Q$host/, 'T047 is not shown';
    }
    my $r = $c->get('/', headers => { Host => 'localhost@evil.example' });
    unlike $r->{raw}, qr/evil\.example/, 'T047 nor this one';
    is $in->get('/famille', headers => { Expect => 'banana' })->status, 200,
        'T169 Expect: banana';
    my $lf = $c->raw("GET /connexion HTTP/1.1\nHost: $c->{host}\nConnection: close\n\n");
    like $lf, qr{^HTTP/1\.1 200}, 'T169 lines that end in LF alone';
    $c->get('/connexion', headers => { 'X-Odd' => "a\x01b", 'User-Agent' => "x\x01\x1b[2Jy" });
    open my $log, '<:raw', $portal->nginx->access_log or die $!;
    my $text = do { local $/; <$log> };
    unlike $text, qr/[\x01\x1b]/, 'T169 control characters are not logged raw';
}


### HEAD is GET without its body

for my $case (['/'], ['/connexion'], ['/inscription'], ['/nowhere'], ['/famille', $in],
    ['/mon-espace', $in], ['/mon-espace'], ['/famille/enfants/98765', $in], ['/deconnexion'],
    ['/inscription/confirmation?jeton=x'], ['/static/portal.css'])
{
    my ($path, $c) = @$case;
    $c //= client();
    for my $accept ('text/html', 'application/json') {
        my ($get, $head) = map {
            $c->request($_, $path, headers => { Accept => $accept }, forget => 1)
        } qw(GET HEAD);
        is $head->status, $get->status, "HEAD $path $accept: status";
        is $head->content, '', 'no body';
        my @lists = map {
            join "\n", map { "$_->[0]: $_->[1]" =~ s/=[\w-]{43};/=;/r }
                grep { $_->[0] !~ ($path eq '/inscription'
                    ? qr/^(?:date|content-length)$/ : qr/^date$/) } @{ $_->{list} };
        } $get, $head;
        is $lists[1], $lists[0], 'the same headers';
    }
}


### T172: addresses that play tricks

my %tricks = (
    '/mon-espace/%2e%2e/connexion' => 200, '/./connexion' => 200, '//connexion' => 200,
    '/x/../connexion' => 200, '/connexion/' => 404, '/connexion.' => 404,
    '/CONNEXION' => 404, '/connexion%20' => 404, '/connexion%0a' => 404,
    '/connexion;jsessionid=1' => 404, '/..%2fetc/passwd' => 400, '/../../etc/passwd' => 400,
    '/%2e%2e/%2e%2e/etc/passwd' => 400, '/..;/connexion' => 404, '/%252e%252e/x' => 404,
    '/%ff%fe' => 404, '/%c0%ae%c0%ae/' => 404, '/connexion%2f' => 404,
    '/inscription%2fenvoyee' => 200, '/static/../connexion' => 200, '/static/' => qr/40[34]/,
    '/static/%2e%2e/%2e%2e/keys' => 400, '/static../keys' => 404, '/?x=%00' => 200,
    '/%' => 400, '/%zz' => 400, '/*' => 404, '/connexion?' => 200, '/connexion?%' => 200,
    '/connexion%3f' => 404, '/connexion%23' => 404,
);
for my $path (sort keys %tricks) {
    my $r = client()->get($path);
    my $want = $tricks{$path};
    ref $want ? like $r->status, $want, "T172 $path" : is $r->status, $want, "T172 $path";
    next if $path =~ /^\/static\/$/;
    guarded($r, "T172 $path");
}
for my $path ('/famille/x.css', '/famille;a.css', '/famille%2fx.js', '/famille/.css',
    '/famille.json', '/mon-espace/avatar.png')
{
    my $r = $in->get($path);
    is $r->status, 404, "T157 $path, logged in";
    is $r->header('cache-control'), 'no-store', 'T157 never kept';
    unlike $r->content =~ s{<wbr>}{}gr, qr/camille\.martin\@|Léo/, 'T157 nothing of the family';
}
is $in->get('/famille%00.css')->status, 400, 'T157 with a NUL';


### T158: no answer of a page may be kept

for my $path ('/', '/connexion', '/inscription', '/mon-espace', '/famille', '/aide',
    '/mes-abonnements', '/mes-abonnements/nouveau', '/plan-du-site')
{
    for my $c ($in, client()) {
        my $r = $c->get($path);
        guarded($r, "$path " . $r->status);
    }
}


### a worker that has just started has heard of no town yet: an answer that a filter
### refused cannot wait for it

my @pids = $portal->pg->pids;
kill 'STOP', @pids;
$portal->reload;
my ($until, %seen) = (time + 3);
while (time < $until) {
    for (['If-Match' => '"x"'], [Range => 'bytes=9999999-']) {
        $seen{ client()->get('/static/portal.css', headers => {@$_})->status }++;
    }
}
is join(' ', sort keys %seen), '412 416', 'each is answered, by old workers and new ones';
kill 'CONT', @pids;
ok all_ready(), 'which hear of it later';

### nor can it ask Redis whose session that is

{
    my $c = client();
    $c->cookie('__Host-portal', 'A' x 43);
    for (['If-Match' => '"x"', 412], [Range => 'bytes=9999999-', 416]) {
        my ($name, $value, $want) = @$_;
        is $c->get('/static/portal.css', headers => { $name => $value })->status, $want,
            "$want to a session that only Redis can know";
    }
}


### what nginx itself serves

for my $c (client(), client(agents => 1)) {
    my $r = $c->get('/static/portal.css');
    is $r->status, 200, 'a file';
    is $r->header('x-content-type-options'), 'nosniff', '3.4.4 a file is what it is';
    is $_->header('server'), 'nginx', '13.4.6 no version' for $r, $c->get('/nulle-part');
}

done_testing;
