#!/usr/bin/perl

# What a browser is told that it may do, and what is shown of texts that want to
# be more than text: in pages, in JSON, in mails.

use strict;
use warnings;
use utf8;

# the line of a report is there for who wants it
BEGIN { $ENV{PORTAL_LOG} = 'info' }

use Encode ();
use JSON::PP ();

use Portal::Fault;
use Portal::Test;

my $portal = portal();
my $camille = account(qr/couple/);
my $in = client(source => '127.0.9.1');
sign_in($in, $camille);


### T154: the policy

my @PAGES = qw(/ /connexion /inscription /inscription/renvoi /inscription/envoyee
    /inscription/confirmation /mon-espace /mes-abonnements
    /mes-abonnements/nouveau /mes-abonnements/sans-code /famille /accessibilite
    /donnees-personnelles /mentions-legales /plan-du-site /aide /nowhere);

push @PAGES, grep { m{^/famille/} } keys %{ $in->get('/famille')->links };

my %may = ('default-src' => "'none'", 'script-src' => "'self'",
    'style-src' => "'self'", 'img-src' => "'self'", 'font-src' => "'self'",
    'form-action' => "'self'", 'base-uri' => "'none'",
    'frame-ancestors' => "'none'", 'report-uri' => '/rapports-csp',
    'report-to' => 'portal');

for my $path (@PAGES) {
    for my $c ($in, client(source => '127.0.9.2')) {
        my $r = $c->get($path);
        next if $r->status == 303;
        my $name = "T154 $path " . $r->status;

        my %policy = map { /^\s*(\S+)\s*(.*?)\s*$/ }
            split /;/, $r->header('content-security-policy') // '';
        my @wide = grep { ($may{$_} // "'self'") ne $policy{$_} }
            sort keys %policy;
        is_deeply \@wide, [], "$name: no more than it needs";
        is $policy{$_}, $may{$_}, "$name: $_" for qw(default-src form-action
            base-uri frame-ancestors);
        is $r->header('x-frame-options'), 'DENY',
            "T155 $path: in no frame, for old browsers too";

        # the page keeps to it
        my $html = $r->content;
        my @bad;
        push @bad, "inline: $1" while $html =~ /<(script\b(?![^>]*\bsrc=)[^>]*)>/g;
        push @bad, "style: $1" while $html =~ /(<style\b|\sstyle\s*=[^>]*)/g;
        push @bad, "handler: $1" while $html =~ /<[^>]*\s(on\w+\s*=)/g;
        push @bad, "foreign: $1" while $html
            =~ m{<(?:script|link|img|iframe|object|embed|form|source)\b[^>]*
                \s(?:src|href|action|data)="((?:https?:)?//[^"]*|data:[^"]*)"}gx;
        push @bad, "scheme: $1" while $html
            =~ /href="((?!https:|mailto:|tel:)[a-z][\w+.-]*:[^"]*)"/gi;
        is_deeply \@bad, [], "$name: keeps to it";
        unlike $html, qr/<(?:base|object|embed|iframe|frame)\b/i,
            "$name: no frame, object or base";
    }
}


# 3.4.7: what a browser has refused is told, counted and said, and no more of it
{
    my $c = client(source => '127.0.9.3');
    my $r = $c->get('/connexion');
    like $r->header('content-security-policy'), qr{report-uri /rapports-csp; report-to portal$}, '3.4.7 the policy says where';
    is $r->header('reporting-endpoints'), 'portal="/rapports-csp"', '3.4.7 in both ways';

    my $send = sub {
        my ($type, $body, %o) = @_;
        return ($o{client} // $c)->post('/rapports-csp', $body, headers => { 'Content-Type' => $type,
            Referer => $portal->url . '/mot-de-passe/nouveau?jeton=secret-of-a-link' }, %o);
    };
    my $lines = sub { return log_lines(qr/a browser reports that/) };
    my $count = sub { return metrics()->{portal_policy_reports_total} };
    my $before = $count->();
    my $page = $portal->url . '/mot-de-passe/nouveau?jeton=secret-of-a-link#x';
    my $old = JSON::PP->new->encode({ 'csp-report' => { 'document-uri' => $page, referrer => $page,
        'violated-directive' => 'script-src-elem', 'effective-directive' => 'script-src-elem',
        'blocked-uri' => 'https://evil.example:8443/a/path?secret', 'script-sample' => 'secret()' } });
    $r = $send->('application/csp-report', $old);
    is $r->status, 204, '3.4.7 a report is taken';
    is $r->content, '', '3.4.7 nothing is said to it';
    is $r->header('set-cookie'), undef, '3.4.7 no session, no cookie';
    my @said = $lines->();
    is @said, 1, '3.4.7 one line';
    like $said[0], qr{\[info\].* portal: a browser reports that "script-src-elem" kept "https://evil\.example:8443" out of the page "/mot-de-passe/nouveau",},
        '3.4.7 of what it is about';

    my $new = JSON::PP->new->utf8->encode([
        { type => 'csp-violation', url => $page, user_agent => 'x', body => { documentURL => $page, blockedURL => 'inline',
            effectiveDirective => 'style-src', sample => 'secret' } },
        { type => 'deprecation', url => $page, body => { id => 'secret' } },
        { type => 'csp-violation', url => $page, body => { documentURL => "https://x/\n[alert] secret\x{e9}", blockedURL => 'y' x 5000,
            effectiveDirective => "img-src\r\n\"" } } ]);
    is $send->('application/reports+json; charset=utf-8', $new)->status, 204, '3.4.7 the other form';
    @said = $lines->();
    is @said, 3, '3.4.7 a line each';
    like $said[1], qr{"style-src" kept "inline" out of the page "/mot-de-passe/nouveau",}, '3.4.7 of what it is about';
    like $said[2], qr{"img-src\?\?\?" kept "y{80}" out of the page "/\?*alert\?+secret\?+",}, '3.4.7 in a few plain characters';
    is scalar(my @told = grep { /secret[-(]|\?secret/ } @said[0, 1]), 0, '3.4.7 nothing of a link, a query or a script';
    is scalar(log_lines(qr/secret-of-a-link|jeton/)), 0, '3.4.7 nor beside it in the log';
    is $count->() - $before, 3, '3.4.7 counted';

    for (['text/plain', $old, 415], ['application/json', $old, 415], ['application/csp-reports', $old, 415],
        ['application/csp-report', '{"csp-report":', 400], ['application/csp-report', '[]', 400],
        ['application/csp-report', '', 400], ['application/reports+json', $old, 400],
        ['application/reports+json', '[1,null,{"type":1},{"type":"csp-violation"}]', 204],
        ['application/csp-report', $old . ' ' x 17_000, 413])
    {
        my ($type, $body, $status) = @$_;
        is $send->($type, $body)->status, $status, "3.4.7 $type, " . substr($body, 0, 20) . ": $status";
    }
    is $c->get('/rapports-csp')->status, 405, '3.4.7 nothing to read there';
    is $c->get('/rapports-csp')->header('allow'), 'POST', '3.4.7 and how it may be asked';
    my %n;
    $n{ $send->('application/csp-report', $old)->status }++ for 1 .. 140;
    is_deeply [sort keys %n], [204, 429], '3.4.7 not without end';
    is client(agents => 1, source => '127.0.9.4')->post('/rapports-csp', $old,
        headers => { 'Content-Type' => 'application/csp-report' })->status, 204, '3.4.7 at the agents\' host too';
}


# JSON is never a script: no name of a function is taken
for my $query ('callback=alert', 'jsonp=alert', 'cb=alert') {
    my $r = $in->get("/mon-espace?$query", headers =>
        { Accept => 'application/json' });
    like $r->content, qr/^\{.*\}\s*$/s, "$query: an object, no call";
    is $r->header('content-type'), 'application/json', "$query: as JSON";
    unlike $r->content, qr/alert/, "$query: not taken up";
}


### T151, T149: texts that want to be more, in each place that shows one

my @VECTORS = ('"><svg onload=alert(1)>', "' autofocus onfocus=alert(1) x='",
    '</title><script>alert(1)</script>', '</textarea><script>alert(1)</script>',
    'javascript:alert(1)', "a\x{2028}b\x{2029}c", '<img src=x onerror=alert(1)>',
    '<!--<script>', ']]><script>alert(1)</script>', '&lt;script&gt;alert(1)',
    '<a href="javascript:alert(1)">x</a>', '"><base href=//evil.example>',
    '<style>*{display:none}</style>', '` onmouseover=alert(1)', '<sCrIpT>alert(1)//',
    "\x{fb01}\x{ff1c}script\x{ff1e}", '{{123*457}}', '${123*457}', '%n%s%x', '<%= 123*457 %>',
    '{{{csrf}}}', '{{>layout}}', '#{123*457}', '\'; drop table account; --',
    "O'Brien & fils", '"}<!--', '\u003cscript\u003e', '$sealed');

# what may be wherever a text is shown
sub holds {
    my ($html) = @_;
    my @bad;

    push @bad, $1 while $html =~ /(<svg\sonload[^>]*>|<script>[^<]*|<sCrIpT>
        |<img[^>]*onerror[^>]*>|<base\b[^>]*>|<style\b[^>]*>|<!--<script>
        |<a\shref="javascript[^>]*>|<[^>"]*(?:"[^"]*"[^>"]*)*\sonfocus[^>]*>)/gx;
    push @bad, 'an attribute ended: ' . $1
        while $html =~ /(<[^<>]*=""[^<>]*on\w+=[^<>]*>)/g;
    push @bad, 'computed: 56211' if $html =~ />\s*56211\s*</;

    return join "\n", @bad;
}

isnt holds($_), '', "a page with $_ would be seen" for '<p><svg onload=alert(1)>',
    '<input value="" autofocus onfocus=alert(1) x="">', '<p> 56211 </p>',
    "<input value='' autofocus onfocus=alert(1) x=''>", '<script>alert(1)',
    '<a href="javascript:alert(1)">';

# by SQL, past every check that input has: names, places, free texts
my @STORED = (
    "update portal.account set first_name = left(%s, 60), last_name = left(%s, 60)
        where email = '$camille->{email}'",
    'update portal.child set first_name = left(%s, 60), last_name = left(%s, 60)
        where tenant = 1',
    'update portal.guardian set profession = left(%s, 60), first_name = left(%s, 60)
        where tenant = 1',
    'update portal.address set street = left(%s, 60), complement = left(%s, 60)
        where tenant = 1',
    'update portal.contact set first_name = left(%s, 60), last_name = left(%s, 60)
        where tenant = 1',
    "update portal.town set service = left(%s, 60), office = left(%s, 60),
        version = version + 1 where slug = 'saint-aubin'",
);
my ($kept, $refused) = (0, 0);

# a column's own rule may refuse one: so much the better
sub stored {
    my ($vector) = @_;
    my $text = "'" . Encode::encode('UTF-8', $vector =~ s/'/''/gr) . "'";

    for my $sql (@STORED) {
        my $one = $sql =~ s/%s/$text/gr;
        eval {
            $portal->psql("do \$try\$ begin $one; exception when check_violation
                then raise exception 'refused'; end \$try\$" =~ s/\s+/ /gr); 1;
        } ? $kept++ : $refused++;
    }
}

open my $stderr, '>&', \*STDERR;
for my $vector (@VECTORS) {
    open STDERR, '>', '/dev/null';
    stored($vector);
    open STDERR, '>&', $stderr;

    my $c = client(source => '127.0.9.3');
    my $r = sign_in($c, $camille);
    is $r->status, 303, 'T151 in' or next;

    my $shown = 0;
    for my $path ('/', '/mon-espace', '/mes-abonnements', '/famille',
        grep { m{^/famille/(?:enfants|responsables)} }
        keys %{ $c->get('/famille')->links })
    {
        my $page = $c->get($path);
        is $page->status, 200, "T151 $path" or diag $page->text;
        is holds($page->content), '', "T151 T149 « $vector » in $path is text";
        $shown++ if index($page->text =~ s/\s+/ /gr,
            substr $vector, 0, 10) >= 0;

        my $json = $c->get($path, headers => { Accept => 'application/json' });
        is $json->header('x-content-type-options'), 'nosniff', 'T151 JSON: nosniff';
        ok eval { $json->json; 1 }, "T151 « $vector » in $path as JSON";
    }
    cmp_ok $shown, '>', 0, "T151 « $vector » is shown, as it is"
        if $vector !~ /[\x{2028}\x{fb01}]/;
}
cmp_ok $kept, '>', 50, "T151 $kept texts stored" . ($refused
    ? ", $refused refused by the tables" : '');


### reflected: what was typed comes back in its box

for my $vector (@VECTORS) {
    my $c = client(source => '127.0.9.4');
    my $page = $c->get('/inscription');
    my $r = $c->submit($page, { last_name => $vector, first_name => $vector,
        email => $vector, password => $vector });
    is $r->status, 422, "T151 « $vector » typed";
    is holds($r->content), '', 'T151 comes back as text';

    my $bytes = Encode::encode('UTF-8', $vector)
        =~ s/([^\w.-])/sprintf '%%%02X', ord $1/ger;
    for my $path ("/connexion?suite=$bytes", "/mon-espace?avis=$bytes", "/$bytes",
        "/inscription/confirmation?jeton=$bytes", "/?$bytes")
    {
        $r = $in->get($path);
        is holds($r->content), '', 'T151 T152 « ' . substr($path, 0, 50)
            . ' » is text';
        is scalar(my @location = $r->headers('location')), 0,
            'T145 and no header of its own' if $r->status != 303;
    }
}


### a mail to somebody of such a name

{
    my $c = client(source => '127.0.9.5');
    my $mac = tool("mac\tsaint-aubin\temail\tmail.vector\@exemple.fr");
    my $hash = tool("hash\t-\tboussole marine 12 hiver");
    my $insert = "insert into portal.account (tenant, first_name, last_name,
        email, email_mac, password_hash) values (1, '<b>{{123*457}}', %s,
        'mail.vector\@exemple.fr', decode('$mac', 'hex'), '$hash')";
    open STDERR, '>', '/dev/null';
    my $ok = eval {
        $portal->psql(sprintf $insert, "E'x\\r\\nBcc: v\@exemple.fr'");
        1;
    };
    open STDERR, '>&', $stderr;
    $portal->psql(sprintf $insert, "'<i>x'") if !$ok;
    note 'a line break in a name: the table ', $ok ? 'takes it' : 'refuses it';

    $c->submit($c->get('/inscription/renvoi'), { email => 'mail.vector@exemple.fr' });
    my $mail = mail_to('mail.vector@exemple.fr');
    ok $mail, 'T145 the mail has gone' or diag 'none';
    my ($head) = ($mail->{raw} // '') =~ /^(.*?)\r?\n\r?\n/s;
    unlike $head, qr/^(?:bcc|cc):/mi, 'T145 no header more';
    is scalar(my @to = $head =~ /^to:/mig), 1, 'T145 one To';
    unlike $mail->{html}, qr/<b>\{|<i>x|<b>56211/, 'T149 T151 in the mail it is text';
    unlike $mail->{text} . $mail->{html} . $mail->{subject}, qr/\b56211\b/,
        'T149 nothing is computed';
}

done_testing;
