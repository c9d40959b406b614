#!/usr/bin/perl

# The gate in front of the portal's pages, of an upstream and of files: what it
# tells them, what it never lets through, in HTTP/1 and HTTP/2, and what
# nginx -t says of a configuration that would not hold.

use strict;
use warnings;
use utf8;

use Portal::Place qw(free_port slurp spew);
use Portal::Test;

my ($behind, $h2) = (free_port(), free_port());

# a reading that says who asked, to an upstream that writes down who came
my $tell = join "\n", "proxy_pass http://127.0.0.1:$behind;",
    map { "proxy_set_header X-Portal-\u$_ \$portal_$_;" }
    qw(account family roles lang tenant gate);

# a location: its gate, and what else stands in it
sub told {
    my ($path, $allow, $more) = @_;

    return "location $path { " . ($allow ? "portal_allow $allow; " : '')
        . ($more // '') . " $tell }\n";
}

my $portal = portal(
    http => <<"END",
    log_format who '\$uri \$status account=\$portal_account family=\$portal_family roles=\$portal_roles lang=\$portal_lang tenant=\$portal_tenant gate=\$portal_gate.';
    log_format came '\$request_method \$uri account=\$http_x_portal_account.';
    server {
        listen 127.0.0.1:$behind;
        access_log logs/came.log came;
        default_type text/plain;
        location / {
            return 200 "behind \$uri account=\$http_x_portal_account family=\$http_x_portal_family roles=\$http_x_portal_roles lang=\$http_x_portal_lang tenant=\$http_x_portal_tenant gate=\$http_x_portal_gate.";
        }
        location /t/ssi { default_type text/html; return 200 'a<!--#include virtual="\$arg_of" -->z'; }
        location /t/accel { add_header X-Accel-Redirect \$arg_to; return 200 accel; }
        location /broken { return 500; }
    }
END
    server => <<"END"
        listen 127.0.0.1:$h2 http2;
        access_log logs/who.log who;
@{[ told('/t/citizen/', 'citizen'), told('/t/family/', 'family'),
    told('/t/public/', 'public'), told('/t/open/', ''),
    told('= /t/if', 'citizen', 'if ($arg_x) { set $y 1; }'),
    told('= /t/limit', 'citizen', 'limit_except GET { allow all; }'),
    told('@named', 'citizen'),
    told('= /t/ssi', 'public', 'ssi on;'),
    told('= /t/ssi-open', '', 'ssi on;'),
    told('= /t/accel', ''),
    told('= /t/auth', '', 'auth_request /t/citizen/auth;'),
    told('= /t/auth-page', '', 'auth_request /mon-espace;'),
    told('= /t/both', 'citizen', 'auth_request /t/open/auth;'),
    told('= /t/mirror', '', 'mirror /t/citizen/copy;'),
    told('= /t/mirrored', 'citizen', 'mirror /t/open/copy;') ]}
        location /t/files/ { portal_allow family; alias /etc/; default_type text/plain; }
        location = /t/page-if { portal_allow citizen; portal_get my_space my_space; if (\$arg_x) { set \$y 1; } }
        location = /t/page-limit { portal_allow public; portal_page home; limit_except GET { allow all; } }
        location = /t/404 { error_page 404 /t/citizen/404; return 404; }
        location = /t/named { error_page 418 = \@named; return 418; }
        location = /t/upstream-error { proxy_intercept_errors on; proxy_pass http://127.0.0.1:$behind/broken; error_page 500 = \@named; }
        location = /t/try { try_files /nothing \@named; }
        location = /t/rewrite { rewrite ^ /t/citizen/rewritten last; }
        location = /t/403 { deny all; error_page 403 = /mon-espace; }
END
);

my $logs = $portal->nginx->dir . '/logs';
my $nobody = client();
my $citizen = client(source => '127.0.8.1');
my $parent = client(source => '127.0.8.2');
my $account = account(qr/couple/);

my $new = new_account();
is sign_in($citizen, $new)->status, 303, 'a citizen without a family';
is sign_in($parent, $account)->status, 303, 'a parent';

my ($parent_id) = $portal->psql("select id from portal.account
    where email = '$account->{email}'");
$parent_id = $parent_id->[0];

sub came { return slurp("$logs/came.log") // '' }

# what has come to the upstream since
sub since {
    my ($code) = @_;

    # it writes its line after its answer: those of requests before come first
    my ($before, $was) = (-1);
    wait_for(5, sub {
        ($was, $before) = ($before, length came());
        $was == $before || (select(undef, undef, undef, 0.1), 0)[1];
    });

    my @answers = $code->();

    return (substr(came(), $before), @answers);
}


### whom an upstream and files are for

{
    my ($seen, $page, $json) = since(sub {
        ($nobody->get('/t/citizen/a'), client(json => 1)->get('/t/citizen/a'));
    });
    is $page->status, 303, 'nobody is led to the log-in';
    is $page->location, '/connexion?suite=%2Ft%2Fcitizen%2Fa', 'and back';
    is $json->status, 401, 'a program is told';
    is $json->header('content-type'), 'application/problem+json', 'as a problem';
    is $seen, '', 'nothing came to the upstream';
}
{
    my ($seen, $a, $b) = since(sub {
        ($citizen->get('/t/family/a'), $citizen->get('/t/files/hostname'));
    });
    is $_->status, 303, 'a citizen is no family' for $a, $b;
    is $_->location, '/mes-abonnements?avis=subscribe_first', 'and led to step 2' for $a, $b;
    is $seen, '', 'nothing came to the upstream';
}
is $nobody->get('/t/files/passwd')->status, 303, 'files: nobody';
is $parent->get('/t/files/passwd')->status, 200, 'files: the parent';
is $parent->get('/t/files/passwd', headers => { Range => 'bytes=0-3' })->status, 206,
    'files: as nginx serves them';
is $parent->get('/t/files/nothing')->status, 404, 'files: what is not there';

for (['citizen', $citizen, "account=$new->{id} family= roles=citizen lang=fr tenant=saint-aubin gate=session."],
    ['public', $citizen, "account=$new->{id} family= roles=citizen lang=fr tenant=saint-aubin gate=session."],
    ['public', $nobody, 'account= family= roles= lang=fr tenant=saint-aubin gate=anonymous.'],
    ['open', $parent, 'account= family= roles= lang=fr tenant=saint-aubin gate=.'])
{
    my ($where, $c, $want) = @$_;
    my $r = $c->get("/t/$where/x");
    is $r->status, 200, "$where: let through";
    is $r->content, "behind /t/$where/x $want", "$where: what the upstream is told";
}
like $parent->get('/t/family/x')->content, qr/account=$parent_id family=[1-9]\d* roles=citizen,family lang=fr/,
    'family: what the upstream is told';
like client(town => 'beaulieu')->get('/t/public/x')->content, qr/tenant=beaulieu /,
    'the town';

# what a visitor writes there himself
for my $c ($nobody, $citizen) {
    my $r = $c->get('/t/public/x', headers => { map { ("X-Portal-$_" => '7') }
        qw(Account Family Roles Tenant Gate) });
    unlike $r->content, qr/=7/, 'nobody names himself to the upstream';
}

# the log
{
    my $line = (grep { m{^/t/family/x } } split /\n/, slurp("$logs/who.log"))[-1];
    like $line, qr{^/t/family/x 200 account=$parent_id family=\d+ roles=citizen,family lang=fr tenant=saint-aubin gate=session\.$},
        'a log_format says who was let through';
    $nobody->get('/t/citizen/refused');
    ($line) = grep { m{^/t/citizen/refused } } split /\n/, slurp("$logs/who.log");
    is $line, '/t/citizen/refused 303 account= family= roles= lang=fr tenant=saint-aubin gate=refused.',
        'and who was not';
    unlike slurp("$logs/who.log"), qr/\Q$account->{email}\E|\Q@{[ $parent->cookie('__Host-portal') ]}\E/,
        'no name, no cookie in it';
}

# what changes something comes from the town's own pages
{
    my ($seen, @r) = since(sub {
        map { $parent->post('/t/family/x', { a => 1 }, headers => $_) }
            { 'Sec-Fetch-Site' => 'cross-site' }, { 'Sec-Fetch-Site' => '', Origin => '' },
            { 'Sec-Fetch-Site' => '', Origin => 'http://evil.example' }
    });
    is $_->status, 403, 'another site\'s form' for @r;
    is $seen, '', 'does not come to the upstream';
    my $length = length came();
    $parent->post('/t/family/x', { a => 1 });
    wait_for(10, sub { length came() > $length });
    $seen = substr came(), $length;
    is $seen, "POST /t/family/x account=$parent_id.\n", 'the town\'s own does';
    for my $method (qw(PUT DELETE PATCH)) {
        my $r = $parent->request($method, '/t/family/x', body => '',
            headers => { 'Sec-Fetch-Site' => 'cross-site' });
        is $r->status, 403, "another site's $method";
    }
}


### no way round it

# "if" and "limit_except" make a configuration of their own
for (['/t/if', 'GET'], ['/t/if?x=1', 'GET'], ['/t/limit', 'GET'], ['/t/limit', 'POST'],
    ['/t/page-if', 'GET'], ['/t/page-if?x=1', 'GET'])
{
    my ($path, $method) = @$_;
    my ($seen, $r) = since(sub { $nobody->request($method, $path, body => '',
        headers => { 'Sec-Fetch-Site' => 'same-origin' }) });
    is $r->status, 303, "$method $path: nobody is led to the log-in";
    is $seen, '', "$method $path: and nothing comes to the upstream";
    is $citizen->request($method, $path, body => '',
        headers => { 'Sec-Fetch-Site' => 'same-origin' })->status, 200,
        "$method $path: the citizen";
}
is $nobody->get('/t/page-limit')->status, 200, 'a page with limit_except';
is $nobody->request('POST', '/t/page-limit', body => '')->status, 405, 'and its methods';

# internal redirects, named locations, error pages, X-Accel-Redirect
for my $path ('/t/rewrite', '/t/404', '/t/named', '/t/try', '/t/upstream-error',
    '/t/accel?to=/t/citizen/x')
{
    my ($seen, $r) = since(sub { $nobody->get($path) });
    is $r->status, 303, "$path: nobody is led to the log-in";
    unlike $seen, qr/citizen/, "$path: nothing comes to the upstream";
    ($seen, $r) = since(sub { $citizen->get($path) });
    like $r->content, qr/^behind .*account=$new->{id} /, "$path: the citizen";
}
is $nobody->get('/t/403')->status, 303, 'an error page that is a portal page';
is $citizen->get('/t/403')->status, 200, 'for whom it is';
is $nobody->get('/t/accel?to=/mon-espace')->status, 303, 'X-Accel-Redirect to a page';
is $citizen->get('/t/accel?to=/mon-espace')->status, 200, 'for whom it is';
is $nobody->get('/t/accel?to=/_erreur')->status, 404, 'the error page is nobody\'s';

# subrequests pass the access phase: what is gated is not had by one
expect_complaint(qr/"\S+" without the gate's verdict is refused/);
for my $c ($nobody, $citizen) {
    for my $of ('/t/citizen/x', '/mon-espace', '/', '/t/files/passwd') {
        for my $from ('/t/ssi', '/t/ssi-open') {
            my ($seen, $r) = since(sub { $c->get("$from?of=$of") });
            like $r->content, qr/\Aa<html>\s*<head><title>500 .*z\z/s,
                "$from: no $of in another page";
            unlike $seen, qr{/t/citizen/}, "$from: $of did not come to the upstream";
        }
    }
    is $c->get("/t/ssi?of=/t/open/x")->status, 200, 'what is open may be';
    like $c->get("/t/ssi?of=/t/open/x")->content, qr{behind /t/open/x}, 'and is';

    my ($seen, $r) = since(sub { $c->get('/t/auth') });
    is $r->status, 500, 'auth_request: a gated location is no judge';
    is $seen, '', 'auth_request: nothing came to the upstream';
    is $c->get('/t/auth-page')->status, 500, 'auth_request: nor a page';
    ($seen) = since(sub { $c->get('/t/mirror') });
    unlike $seen, qr/copy/, 'mirror: no copy comes behind the gate';
}
{
    my ($seen, $r) = since(sub { $nobody->get('/t/both') });
    is $r->status, 303, 'auth_request beside the gate: nobody';
    is $citizen->get('/t/both')->status, 200, 'auth_request beside the gate: the citizen';
    ($seen, $r) = since(sub { $nobody->get('/t/mirrored') });
    is $r->status, 303, 'mirror behind the gate: nobody';
    is $seen, '', 'mirror behind the gate: nothing is mirrored for nobody';
    wait_for(5, sub { ($seen) = since(sub { $citizen->get('/t/mirrored') }); $seen =~ /copy/ });
    like $seen, qr{/t/mirrored account=$new->{id}}, 'mirror behind the gate: the citizen';
    like $seen, qr{/t/open/copy}, 'mirror behind the gate: and the copy';
}


### HTTP/2

sub cookies {
    my ($c) = @_;

    return join '; ', map { "$_=" . $c->cookie($_) } sort keys %{ $c->cookies };
}

sub h2 {
    my ($c, $path, @args) = @_;

    open my $in, '-|', 'curl', '-s', '-i', '--http2-prior-knowledge', '--max-time', '30',
        '-H', 'Cookie: ' . cookies($c), @args,
        "http://localhost:$h2$path" or die "curl: $!";
    my $answer = do { local $/; <$in> } // '';
    close $in or diag "curl: ", $? >> 8;
    $answer =~ s{\AHTTP/2 (\d+) *}{HTTP/1.1 $1 OK} or die "no HTTP/2: $? $answer";

    return Portal::Page->parse($answer, $path);
}

is h2($nobody, '/')->status, 200, 'h2: the home page';
is h2($nobody, '/mon-espace')->location, '/connexion?suite=%2Fmon-espace', 'h2: nobody';
is h2($citizen, '/mon-espace')->status, 200, 'h2: a citizen';
is h2($parent, '/famille', '-H', 'Accept: application/json')->json->{status}, 200, 'h2: JSON';
is h2($nobody, '/t/citizen/x')->status, 303, 'h2: an upstream, nobody';
like h2($citizen, '/t/citizen/x', '-H', 'X-Portal-Account: 7')->content,
    qr/account=$new->{id} .* gate=session\./, 'h2: an upstream';
is h2($nobody, '/nowhere')->status, 404, 'h2: nothing there';
{
    my ($csrf) = $citizen->get('/mes-abonnements/nouveau')->content =~ /name="csrf" value="([^"]+)"/;
    my @form = ('-d', "csrf=$csrf", '-d', 'step=search', '-d', 'code=x');
    my $r = h2($citizen, '/mes-abonnements/nouveau', @form, '-H', 'Sec-Fetch-Site: same-origin');
    is $r->status, 422, 'h2: the town\'s own form';
    like $r->content, qr/id="code-error"/, 'h2: with what is wrong in it';

    # what is answered before all of it has come: not curl's strength
    my $body = $portal->dir . '/body';
    my @post = (':method: POST', 'content-type: application/x-www-form-urlencoded');
    spew($body, "csrf=$csrf&step=search&code=x", 0644);
    like nghttp($citizen, '/mes-abonnements/nouveau', $body, @post, 'sec-fetch-site: cross-site'),
        qr/:status: 403/, 'h2: another site\'s form';
    spew($body, "csrf=$csrf&a=" . 'x' x 70_000, 0644);
    like nghttp($citizen, '/mes-abonnements/nouveau', $body, @post, 'sec-fetch-site: same-origin'),
        qr/:status: 413/, 'h2: 70 kB';
}
for my $header ('connection: close', 'transfer-encoding: chunked', 'upgrade: h2c',
    'keep-alive: 5', 'proxy-connection: close')
{
    like nghttp($citizen, '/t/public/x', undef, $header), qr/:status: 400/, "T173 h2: $header";
}

# 4.2.4: what no client makes, frame by frame
{
    my $frame = sub { substr(pack('N', length $_[3]), 1) . pack('CCN', @_[0, 1, 2]) . $_[3] };
    my $field = sub { join '', "\0", map { chr(length) . $_ } @_ };
    my $ask = sub {
        my (@header) = @_;
        my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $h2) or die "h2: $!";
        my ($bytes, $answer) = ('', '');
        print $s "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", $frame->(4, 0, 0, ''),
            $frame->(1, 5, 1, join '', map { $field->(@$_) } [':method', 'GET'],
                [':scheme', 'http'], [':path', '/t/public/crlf'],
                [':authority', "localhost:$h2"], @header);
        local $SIG{ALRM} = sub { die "no answer\n" };
        alarm 20;
        while (sysread $s, my $part, 65536) {
            $bytes .= $part;
            while (length $bytes >= 9) {
                my ($len, $type, $id) = (unpack('N', "\0$bytes"), unpack('x3C', $bytes),
                    unpack('x5N', $bytes));
                last if length $bytes < 9 + $len;
                my $content = substr substr($bytes, 0, 9 + $len, ''), 9;
                # the static table: 8 is :status 200, 12 is 400
                return 'answered ' . ($content =~ /^\x20?\x88/ ? 200
                    : $content =~ /^\x20?\x8c/ ? 400 : '?') if $type == 1;
                return 'reset' if $type == 3 || $type == 7;
            }
        }
        return 'closed';
    };

    is $ask->(['x-note', 'as usual']), 'answered 200', '4.2.4 h2: a header, by hand';
    for my $value ("a\r\nX-Portal-Account: 7", "a\nb", "a\rb", "a\0b", "\n") {
        my ($seen) = since(sub {
            like $ask->(['x-note', $value]), qr/^(?:answered 400|reset|closed)$/,
                '4.2.4 h2: a line break in a header: ' . $value =~ s/([^ -~])/sprintf '\\x%02x', ord $1/ger;
        });
        is $seen, '', 'and nothing came to the upstream';
    }
    unlike $ask->(["x-note\r\nx-portal-account", '7']), qr/200/, '4.2.4 h2: nor in its name';
    # what follows takes as long as it takes
    alarm 0;
}

sub nghttp {
    my ($c, $path, $body, @headers) = @_;

    open my $in, '-|', 'nghttp', '-v', '-t', '30', defined $body ? ('-d', $body) : (),
        (map { ('-H', $_) } 'cookie: ' . cookies($c), @headers), "http://localhost:$h2$path"
        or die "nghttp: $!";
    local $/;

    return scalar <$in>;
}


### nginx -t

my $nginx = $portal->nginx;
my $file = $nginx->dir . '/conf/nginx.conf';
my $conf = slurp($file);
expect_complaint(qr{\[emerg\].* in \S+:\d+$});

# where: lines of the mistake; the message names the last of them
sub refused {
    my ($what, $text, $mark, @messages) = @_;

    my $before = substr $text, 0, index($text, $mark) + length $mark;
    my $line = 1 + ($before =~ tr/\n//);
    die "$what: no $mark" if index($text, $mark) < 0;

    spew($file, $text, 0600);
    my ($good, $said) = $nginx->test_conf;
    spew($file, $conf, 0600);

    my @missing = grep { $said !~ $_ } @messages, qr{nginx\.conf:$line$}m;

    return ok(!$good && !@missing, "nginx -t: $what") || diag "not said: @missing\n$said";
}

# a location of the first town
sub location_refused {
    my ($what, $inside, @messages) = @_;

    my $text = $conf =~ s{(portal_tenant saint-aubin;\n)}{$1location /x { $inside }\n}r;

    return refused($what, $text, $inside, @messages);
}

# a directive of http
sub http_refused {
    my ($directive, @messages) = @_;

    my ($name) = split / /, $directive;
    my $text = $conf =~ s{^\h*\Q$name\E\h[^;]*;}{$directive;}mr;

    return refused($directive, $text, "$directive;", @messages);
}

my $up = "proxy_pass http://127.0.0.1:$behind;";
my $audience = qr/write "portal_allow public", "citizen", "family", "agent" or "machine RIGHT"/;

location_refused('no audience', 'portal_page home;', qr/lacks "portal_allow"/, $audience);
location_refused('an unknown audience', 'portal_allow parents; portal_page home;', qr/"parents"/, $audience);
location_refused('two audiences', 'portal_allow public; portal_allow citizen;', qr/"portal_allow" directive is duplicate/);
location_refused('satisfy any', "portal_allow citizen; satisfy any; allow all; $up", qr/write "satisfy all"/);
location_refused('a nested location', "portal_allow citizen; location /x/y { $up }", qr/within this one lacks "portal_allow"/);
location_refused('another content first', "portal_allow public; $up portal_page home;", qr/location of its own/);
location_refused('another content after', "portal_allow public; portal_page home; $up", qr/location of its own/);
location_refused('a page and portal_error', 'portal_allow public; portal_page home; portal_error;', qr/"portal_error".*write them in two/);
location_refused('a template', 'portal_allow public; portal_page nope;', qr{src/templates/nope\.mustache:1: there is no such template});
location_refused('a template of a result', 'portal_allow public; portal_get family nope;', qr{nope\.mustache});
location_refused('a status', 'portal_allow public; portal_page home 99;', qr/status; write one from 200 to 599/);
location_refused('a form', 'portal_allow public; portal_post sign_up nope;', qr{no form "nope"; write it to "\S+/forms/nope\.form"});
location_refused('two portal_page', 'portal_allow public; portal_page home; portal_page help;', qr/"portal_page" directive is duplicate/);
location_refused('two portal_get', 'portal_allow public; portal_get family family; portal_get family family;', qr/"portal_get" directive is duplicate/);
location_refused('two portal_post', 'portal_allow public; portal_post sign_up inscription; portal_post sign_up inscription;', qr/"portal_post" directive is duplicate/);
location_refused('two of portal_file', 'portal_allow family; portal_file child_photo; portal_file child_photo;', qr/"portal_file" directive is duplicate/);
location_refused('a page beside a file', 'portal_allow family; portal_file child_photo; portal_page help;', qr/beside another page/);
location_refused('a form beside a file', 'portal_allow family; portal_file child_photo; portal_post ask_change child_photo;', qr/a form and "portal_file" are in one location/);
location_refused('a function', 'portal_allow public; portal_get drop;table home;' =~ s/;t/-t/r, qr/invalid function "drop-table"; write the name of a function/);
location_refused('an argument', 'portal_allow public; portal_page home; portal_arg _x y;', qr/write one that does not begin with "_"/);
location_refused('an argument\'s flag', 'portal_allow public; portal_page home; portal_arg x y hmac;', qr/"hmac"; write "mac"/);
location_refused('a town', 'portal_tenant Saint_Aubin;', qr/"Saint_Aubin"; write its short name/);
{
    # what is for machines stands at the agents' host, alone, and has no page and no form
    my $only = qr/are for machines, and nothing else of the portal's is; write them beside "portal_allow machine RIGHT"/;
    my $agents = sub {
        my ($what, $inside, @messages) = @_;
        refused($what, $conf =~ s{(portal_tenant saint-aubin agents;\n)}{$1location /x { $inside }\n}r, $inside, @messages);
    };
    location_refused('machines beside citizens', "portal_allow machine import; $up", qr/in a server that is not for agents/);
    $agents->('a machine without a right', "portal_allow machine; $up", qr/a machine needs a right/);
    $agents->('a right of an agent', "portal_allow agent import; $up", qr/nobody else has one; write "portal_allow machine import"/);
    $agents->('a page for machines', 'portal_allow machine import; portal_page agent_start;', $only);
    $agents->('a form for machines', 'portal_allow machine import; portal_get imports; portal_post start_import importation;', $only);
    $agents->('a body of agents', 'portal_allow agent; portal_put start_import;', $only);
    $agents->('a document of everybody', 'portal_allow public; portal_get imports;', $only);
    $agents->('two portal_put', 'portal_allow machine import; portal_put start_import; portal_put start_import;', qr/"portal_put" directive is duplicate/);
}
refused('portal_allow in a server', $conf =~ s/(portal_tenant saint-aubin;)/$1 portal_allow public;/r,
    'portal_allow public;', qr/"portal_allow" directive is not allowed here/);
{
    my $text = $conf =~ s/(\h*portal_tenant saint-aubin;\n)/        location \/x { portal_allow public; }\n/r;
    $text =~ s/include portal\/pages.inc;//;
    refused('no town', $text, 'location /x { portal_allow public;', qr/needs a town; write "portal_tenant SLUG"/);
    $text = $conf =~ s/(portal_tenant saint-aubin;)/$1 portal_tenant saint-aubin;/r;
    refused('two towns', $text, 'portal_tenant saint-aubin; portal_tenant', qr/"portal_tenant" directive is duplicate/);
}

for my $mode (0440, 0404, 0644) {
    my $keys = $portal->dir . sprintf '/keys-%04o', $mode;
    spew($keys, slurp($portal->keys), $mode);
    http_refused("portal_keys $keys", qr/\(mode @{[ sprintf '%04o', $mode ]}\): chmod 0400 \Q$keys\E/);
}
http_refused('portal_keys /nonexistent', qr{cannot open "/nonexistent": .*; to make one: portal-tool keys /nonexistent});
http_refused('portal_languages /nonexistent fr', qr{"/nonexistent/fr\.json" failed; write the path of a file that is there});
{
    my $keys = $portal->dir . '/keys-short';
    spew($keys, "1 abcd\n", 0400);
    http_refused("portal_keys $keys", qr/\Q$keys\E:1: /);
}
for (['connections=x', qr/"connections=x"; write a whole number from 1 to 65535/],
    ['connections=0', qr/from 1/], ['connections=-1', qr/from 1/], ['connections=1.5', qr/from 1/],
    ['queue=0', qr/"queue=0"; write a whole number from 1/], ['timeout=soon', qr/"timeout=soon"; write "timeout=3s"/],
    ['conections=4', qr/"conections=4"; write "connections=", "queue=" or "timeout="/])
{
    http_refused("portal_database \"host=/tmp dbname=portal\" $_->[0]", $_->[1]);
}
http_refused('portal_database "host=db.example dbname=portal"', qr{host name, .*write host=/directory});
http_refused('portal_database "dbname=portal"', qr{no host; write host=/var/run/postgresql});
http_refused('portal_database "host=/tmp password=se cret"', qr/quote values with spaces/);
http_refused('portal_database "host=/tmp bogus=1"', qr/"bogus"/);
http_refused('portal_redis 127.0.0.1:6379', qr/over TCP without a password; write "password_file=FILE"/);
http_refused('portal_redis 127.0.0.1:6379 password=', qr/without a password/);
http_refused('portal_redis redis.example:6379 password=x', qr{"unix:/path".*names are not resolved});
http_refused('portal_redis unix:/tmp/x db=first', qr/"db=first"; write a whole number/);
for ('portal_redis unix:/tmp/x pasword=', 'portal_mail smtp://localhost:25 password=') {
    http_refused("${_}Huit9neuf", qr/parameter "pas+word="; write "user=", "password_file="/);
    unlike slurp($nginx->dir . '/logs/test.log'), qr/Huit9neuf/, 'and the password is not said';
}
for ('portal_redis redis://u:Huit9neuf@localhost:6379', 'portal_mail smtp://u:Huit9neuf@localhost:587',
    'portal_mail smtp://u:Huit9@neuf@localhost:587', 'portal_mail smpt://u:Huit9neuf@localhost:587')
{
    http_refused($_, qr/parameter "localhost:\d+"; write "/);
    unlike slurp($nginx->dir . '/logs/test.log'), qr/Huit9/, 'nor one inside an address';
}
http_refused('portal_redis unix:/tmp/x password_file=/nonexistent', qr{"/nonexistent" failed});
http_refused('portal_zone 1k', qr/write a size as "16m"/);
http_refused('portal_mail http://localhost', qr{write "smtp://HOST:PORT"});
http_refused('portal_mail smtp://', qr{write "smtp://HOST:PORT"});
http_refused('portal_mail smtp://localhost:99999', qr{write "smtp://HOST:PORT"});
http_refused('portal_mail smtp://localhost:25 starttls=maybe', qr/"starttls=required\|off"/);
http_refused('portal_mail smtp://localhost:25 user=portail', qr/write both "user=" and "password_file="/);
http_refused('portal_mail smtp://localhost:25 ca=/nonexistent', qr{"/nonexistent" failed});
http_refused('portal_mail file:/nonexistent', qr{write "file:/DIRECTORY" of a directory that is there});
http_refused('portal_languages /nonexistent fr', qr{"/nonexistent/fr\.json" failed});
refused('templates before languages', $conf =~ s/^(\h*portal_languages[^;]*;)(.*?)^(\h*portal_templates[^;]*;)/$3$2$1/msr,
    'portal_templates', qr/must come after "portal_languages"/);
for my $name (qw(keys database redis zone jobs)) {
    my $text = $conf =~ s/^\h*portal_$name\h[^;]*;//mr;
    refused("no portal_$name", $text, substr($text, 0, length($text) - 1), qr/incomplete; write "portal_$name [^"]+" in http/);
}
for my $name (qw(mail import webhooks)) {
    # what only portal_jobs does must not be promised without it
    my $text = join "\n", (grep { !/^\h*portal_(?:jobs|mail|import|webhooks)\b/ || /portal_$name\b/ } split /\n/, $conf), '';
    refused("portal_$name without portal_jobs", $text, substr($text, 0, length($text) - 1),
        qr/incomplete; write "portal_jobs CONNINFO" in http/);
}
{
    # a copy with a label that no language has, and one with an open section
    my $dir = $portal->dir . '/templates';
    system('cp', '-r', top() . '/src/templates', $dir) == 0 or die;
    my $text = $conf =~ s{^(\h*portal_templates)\h[^;]*;}{$1 $dir;}mr;
    spew("$dir/help.mustache", "a\n{{t.help.no_such_label}}\n", 0644);
    my $mark = 'portal_page  help;';
    my $pages = slurp(top() . '/conf.d/portal/pages.inc');
    my $line = 1 + (substr($pages, 0, index $pages, $mark) =~ tr/\n//);
    for (["a\n{{t.help.no_such_label}}\n", qr{templates/help\.mustache:2: .*t\.help\.no_such_label|templates/help\.mustache:2: .*help\.no_such_label}, 'a label'],
        ["a\n{{#x}}\nb\n", qr{templates/help\.mustache:\d: }, 'a section'])
    {
        my ($template, $message, $what) = @$_;
        spew("$dir/help.mustache", $template, 0644);
        spew($file, $text, 0600);
        my ($good, $said) = $nginx->test_conf;
        spew($file, $conf, 0600);
        ok !$good && $said =~ $message && $said =~ /pages\.inc:$line$/m, "nginx -t: $what"
            or diag $said;
    }
}
{
    my $forms = $portal->dir . '/forms';
    system('cp', '-r', top() . '/conf.d/portal/forms', $forms) == 0 or die;
    spew("$forms/renvoi.form", "field email email\nfield x nothing\n", 0644);
    spew($file, $conf =~ s{^(\h*portal_forms)\h[^;]*;}{$1 $forms;}mr, 0600);
    my ($good, $said) = $nginx->test_conf;
    spew($file, $conf, 0600);
    ok !$good && $said =~ m{forms/renvoi\.form:2: .* in \S+pages\.inc:\d+$}m,
        'nginx -t: a form\'s line' or diag $said;
}
ok +($nginx->test_conf)[0], 'nginx -t: and all is well without';


### a family that the session had, its subscription ended from another device

{
    my $left = client(source => '127.0.8.9');
    my $who = account(qr/two families/);
    is sign_in($left, $who)->status, 303, 'with a family';
    my $here = sub { $portal->psql("select count(*) from portal.session where ended_at is null") };
    my $live = $here->();
    $portal->psql("update portal.subscription set ended_at = now()
        where account_id = (select id from portal.account where email = '$who->{email}')");
    like $left->get('/t/citizen/left')->content, qr/account=[1-9]\d* family= roles=citizen lang/,
        'the upstream hears of the account, and of no family';
    my ($seen, $page) = since(sub { $left->get('/t/family/left') });
    is $page->status, 303, 'what is for families is closed';
    is $page->location, '/mes-abonnements?avis=subscribe_first', 'and leads to the subscriptions';
    is $seen, '', 'nothing came to the upstream';
    is $left->get('/')->status, 200, 'a page without a call';
    is $here->(), $live, 'and the session lives';
}

done_testing;
