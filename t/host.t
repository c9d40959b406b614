#!/usr/bin/perl

# Which town, and under which name: what a request says of its host never comes
# back to a person, neither in a page nor in a link nor in a place to go to.

use strict;
use warnings;
use utf8;

use Portal::Place qw(free_port slurp);
use Portal::Test;

# both towns over TLS as well, with HTTP/2
my $portal = Portal::Stack->new;
my $tls = free_port();
my %ssl = map { $_ => 1 } slurp(top() . '/conf.d/portal/example.conf')
    =~ /^\s*(ssl_(?:protocols|ciphers)\s[^;]*;)/mg;
my $ssl = join ' ', sort keys %ssl;
$portal->{http} = join '', map {
    my $dir = $portal->dir;
    my $host = $portal->host($_);
    "server { listen 127.0.0.1:$tls ssl http2; server_name $host;
        ssl_certificate $dir/smtp/cert.pem;
        ssl_certificate_key $dir/smtp/cert.key; $ssl
        add_header Strict-Transport-Security
            \"max-age=31536000; includeSubDomains\" always;
        portal_tenant $_; include conf.d/portal/pages.inc; }\n"
} qw(saint-aubin beaulieu);

# and the server for plain HTTP that a town copies
my $plain = free_port();
my ($copied) = slurp(top() . '/conf.d/portal/example.conf')
    =~ /^(server \{\n\s*listen\s+80;.*?^\})/ms or die 'no server for port 80';
$portal->{http} .= $copied =~ s/listen\s+80;/listen 127.0.0.1:$plain;/r
    =~ s/^\s*listen\s+\[::\]:80;//mr
    =~ s{/var/log/nginx}{$portal->dir . '/nginx/logs'}er;
# what Debian's nginx.conf has for whoever says nothing else
my $combined = $portal->dir . '/nginx/logs/combined.log';
$portal->{http} .= "\naccess_log $combined combined;\n";
Portal::Test::adopt($portal->start);

my $c = client();
my $port = $portal->port;
ok wait_for(5, sub { $c->get('/')->title =~ /Saint-Aubin/ }), 'it is there';

# bytes to nginx, all that comes back
sub raw {
    my ($line, @headers) = @_;

    return Portal::Page->parse(client()->raw(join '', map { "$_\r\n" } $line,
        @headers, 'Connection: close', ''), '/');
}


### T047: names that are nearly the town's, or another's

my %hosts = (
    "LocalHost:$port" => 200, "localhost.:$port" => 200, 'localhost' => 200,
    'localhost:9999' => 200, 'localhost:' => 200,
    'malveillant.example' => 307, "malveillant.example:$port" => 307,
    "localhost.malveillant.example:$port" => 307, "malveillant-localhost:$port" => 307,
    "localhost\@malveillant.example:$port" => 307, 'localhost,malveillant.example' => 307,
    "malveillant.example#localhost" => 307, '"><b>malveillant' => 307,
    "[::1]:$port" => 307, "127.0.0.1:$port" => 307, '0' => 307,
    'x' x 3000 => 307, 'malveillant.example/localhost' => 400, 'local..host' => 400,
    "\xe9malveillant.example" => 307,
);
for my $host (sort keys %hosts) {
    my $name = 'T047 Host: ' . substr $host, 0, 40;
    my $r = raw('GET /mon-espace?x=1 HTTP/1.1', "Host: $host");
    my $want = $hosts{$host} == 200 ? 303 : $hosts{$host};

    is $r->status, $want, $name;
    is $r->header('location'), $portal->url . '/mon-espace?x=1',
        "$name: to the town's own name" if $want == 307;
    like $r->header('location'), qr{^/connexion\?},
        "$name: a path, no name" if $want == 303;
    unlike $r->{raw}, qr/malveillant|:9999|\Q[::1]\E|x{100}|127\.0\.0\.1/i,
        "$name: not shown";

    my $page = raw('GET /inscription HTTP/1.1', "Host: $host");
    next if $page->status != 200;
    is scalar(grep { m{^(?:https?:)?//} } keys %{ $page->links },
        map { $_->{action} } $page->forms), 0, "$name: links are paths";
}


### T046: two names in one request, and those that proxies add

for my $case (["GET http://$c->{host}/mon-espace HTTP/1.1", 'malveillant.example', 303],
    ["GET http://malveillant.example/mon-espace HTTP/1.1", $c->{host}, 307],
    ["GET http://malveillant.example\@$c->{host}/mon-espace HTTP/1.1", $c->{host}, 400])
{
    my ($line, $host, $status) = @$case;
    my $r = raw($line, "Host: $host");
    is $r->status, $status, "T046 $line";
    unlike $r->{raw}, qr/malveillant/, 'T046 nothing of it comes back';
}
for my $header ('X-Forwarded-Host: malveillant.example', 'X-Host: malveillant.example',
    'Forwarded: host=malveillant.example;proto=https', 'X-Forwarded-Server: malveillant.example',
    'X-Original-URL: /connexion', 'X-Rewrite-URL: /connexion',
    'X-Forwarded-Prefix: //malveillant.example', 'X-Forwarded-Proto: malveillant')
{
    my $r = raw('GET /mon-espace HTTP/1.1', "Host: $c->{host}", $header);
    is $r->header('location'), '/connexion?suite=%2Fmon-espace',
        "T046 $header: no part of it";
}

# a link sent by mail is of the town's origin, whatever host was named
{
    my $d = client();
    my $page = $d->get('/inscription');
    my $email = 'poisoned@exemple.fr';
    my $sent = $d->submit($page, { last_name => 'Garnier', first_name => 'Zoé',
        email => $email, password => 'boussole marine 12 hiver',
        $d->captcha($page) }, headers => { Host => 'localhost:9999',
        'X-Forwarded-Host' => 'malveillant.example' });
    is $sent->status, 303, 'T046 signed up under an odd port' or diag $sent->text;
    like link_for($email), qr{^\Q@{[ $portal->url ]}\E/inscription/},
        'T046 the link is of the town\'s origin';
    my $mail = mail_to($email);
    unlike $mail->{raw} . $mail->{text} . $mail->{html}, qr/malveillant|:9999/,
        'T046 nothing else in the mail';
}


### T049: no name, two, or none that HTTP knew

is raw('GET /mon-espace HTTP/1.0')->header('location'),
    $portal->url . '/mon-espace', 'T049 HTTP/1.0 without Host: to the town';
is raw('GET / HTTP/1.1')->status, 400, 'T049 HTTP/1.1 without Host';
is raw('GET / HTTP/1.1', "Host: $c->{host}", 'Host: malveillant.example')->status, 400,
    'T049 two';
is raw('GET / HTTP/1.1', "Host: $c->{host}", "Host: $c->{host}")->status, 400,
    'T049 the same twice';
is raw('GET / HTTP/1.1', "Host : $c->{host}")->status, 400,
    'T049 a space before the colon';
{
    my $old = client()->raw("GET /mon-espace\r\n");
    unlike $old, qr/Saint-Aubin-les-Prés.*<main/s, 'T049 HTTP/0.9: no page';
}


### lengths that disagree, and whose address counts

for my $case ('Content-Length: 5|Transfer-Encoding: chunked',
    'Content-Length: 5|Content-Length: 6', 'Transfer-Encoding: xchunked',
    'Transfer-Encoding: chunked, identity', 'Content-Length: -1',
    'Content-Length: 5x')
{
    my $r = raw('POST /connexion HTTP/1.1', "Host: $c->{host}",
        'Sec-Fetch-Site: same-origin', split /\|/, $case);
    like $r->status, qr/^(?:400|501)$/, "4.2.1 $case: refused";
}
{
    my $x = client(source => '127.0.10.1');
    my $page = $x->get('/connexion');
    for my $n (1 .. 3) {
        $x->submit($page, { email => "forwarded$n\@exemple.fr", password => 'x' },
            headers => { 'X-Forwarded-For' => "192.0.2.$n", 'X-Real-IP' =>
                "192.0.2.$n", Forwarded => "for=192.0.2.$n" });
    }
    is $portal->psql("select string_agg(count::text, ' ') from portal.attempt
        where kind = 'sign_in_ip'"), 3,
        '4.1.3 who asks is the address that asks, not what a header says';
}


### 4.1.2: plain HTTP leads on for pages only

{
    my $there = 'https://famille.saint-aubin.example';
    my $p = client();
    $p->{port} = $plain;
    my %host = (Host => 'famille.saint-aubin.example');

    for my $path ('/', '/connexion?suite=%2Ffamille') {
        my $r = $p->get($path, headers => \%host);
        is $r->status, 301, "4.1.2 a page leads on: $path";
        is $r->header('location'), "$there$path", 'to itself';
    }
    my $token = 'Jeton' . 'x' x 38;
    $p->get("/inscription/confirmation?jeton=$token", headers => {%host});
    ok wait_for(5, sub { slurp($portal->dir . '/nginx/logs/portal.log') =~ m{"/inscription/confirmation"} }),
        'it is in the log';
    unlike slurp($combined) // '', qr/$token/, 'without the token of a link';
    for my $json ('application/json', 'text/html, application/problem+json') {
        is $p->get('/famille', headers => { %host, Accept => $json })->status, 403,
            "4.1.2 a program is told: $json";
    }
    for my $method (qw(POST PUT DELETE OPTIONS)) {
        my $r = $p->request($method, '/connexion', body => 'a=b', headers => { %host,
            'Content-Type' => 'application/x-www-form-urlencoded' });
        is $r->status, 403, "4.1.2 nor is a form led on: $method";
        is $r->header('location'), undef, 'anywhere';
    }
}


### over TLS and HTTP/2

sub curl {
    my (@args) = @_;

    open my $in, '-|', 'curl', '-s', '-k', '-i', '--http2', '--max-time', 20,
        '--resolve', "localhost:$tls:127.0.0.1", '--resolve',
        "beaulieu.localhost:$tls:127.0.0.1", @args or die "curl: $!\n";
    local $/;
    my $answer = <$in> // '';
    $answer =~ s{^HTTP/2 (\d+)[^\r]*}{HTTP/1.1 $1 -};

    return Portal::Page->parse($answer, '/');
}

my $in = client();
sign_in($in, account(qr/couple/));
my @cookie = ('-H', 'Cookie: __Host-portal=' . $in->cookie('__Host-portal'));
my $url = "https://localhost:$tls";

is curl("$url/mon-espace", @cookie)->status, 200, 'the session over HTTP/2';
is curl("$url/mon-espace")->header('location'),
    '/connexion?suite=%2Fmon-espace', 'and nobody';

for my $path ('/', '/mon-espace', '/nowhere', '/deconnexion', '/%00') {
    is curl("$url$path")->header('strict-transport-security'),
        'max-age=31536000; includeSubDomains',
        "3.4.1 nginx's own headers are on every answer: $path";
}

# what example.conf says of TLS, as a client meets it: [what was agreed, or '']
sub agreed {
    my (@args) = @_;

    open my $in, '-|', 'sh', '-c', 'exec openssl s_client "$@" </dev/null 2>&1', 'sh',
        '-connect', "127.0.0.1:$tls", '-servername', 'localhost', @args or die "openssl: $!\n";
    my $text = do { local $/; <$in> } // '';

    return [map { $_ // '' } $text =~ /New, (TLSv1\.[0-9]), Cipher is (?!\(NONE)/,
        $text =~ /Server Temp Key: (\w+)/];
}

is scalar(keys %ssl), 2, '12.1.2 protocols and suites are said, everywhere the same';
is_deeply agreed(), ['TLSv1.3', 'X25519'], '11.6.2 the newest, and its key exchange';
is_deeply agreed('-tls1_2'), ['TLSv1.2', 'X25519'], '12.1.2 the one before it likewise';
is_deeply agreed(@$_), [], "12.1.2 not @$_" for ['-tls1_1', '-cipher', 'ALL:@SECLEVEL=0'],
    map { ['-tls1_2', '-cipher', "$_:\@SECLEVEL=0"] } 'kRSA', 'kDHE', 'SHA1', 'ECDHE+AES+SHA256',
    'AESCCM', 'CAMELLIA:ARIA', 'NULL';

# T050: the name of the handshake is one town's, the request's another's
for my $try (["$url/mon-espace", '-H', "Host: beaulieu.localhost:$tls"],
    ["https://beaulieu.localhost:$tls/mon-espace"])
{
    my $r = curl(@$try, @cookie);
    is $r->status, 303, "T050 @$try: nobody in the other town";
    unlike $r->content, qr/Camille/, 'T050 and nothing of hers';
}
is curl("https://beaulieu.localhost:$tls/mon-espace", '-H',
    "Host: localhost:$tls", @cookie)->status, 200,
    'T050 the request\'s name is what counts';

SKIP: {
    -x '/usr/bin/nghttp' or skip 'nghttp2-client is not installed', 2;
    open my $nghttp, '-|', 'nghttp', '--no-verify-peer', '-v', '-H',
        'host: malveillant.example', "https://127.0.0.1:$tls/mon-espace", '-H',
        ":authority: localhost:$tls" or die "nghttp: $!\n";
    my $text = do { local $/; <$nghttp> } // '';
    like $text, qr/:status: (?:400|303)/, 'T049 HTTP/2: host beside :authority';
    $text =~ s/^ +host: malveillant\.example$//mg;         # as it was sent
    ok $text !~ /malveillant/, 'T049 is not shown';
}

done_testing;
