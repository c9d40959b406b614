#!/usr/bin/perl

# What a browser is told that it may do, and what is shown of texts that want to
# be more than text: in pages, in JSON, in mails.

use strict;
use warnings;
use utf8;

use Encode ();

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
    'frame-ancestors' => "'none'");

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
    "\x{fb01}\x{ff1c}script\x{ff1e}", '{{7*7}}', '${7*7}', '%n%s%x', '<%= 7*7 %>',
    '{{{csrf}}}', '{{>layout}}', '#{7*7}', '\'; drop table account; --',
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
    push @bad, 'computed: 49' if $html =~ />\s*49\s*</;

    return join "\n", @bad;
}

isnt holds($_), '', "a page with $_ would be seen" for '<p><svg onload=alert(1)>',
    '<input value="" autofocus onfocus=alert(1) x="">', '<p> 49 </p>',
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
    'update portal.address set line1 = left(%s, 60), line2 = left(%s, 60)
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
        email, email_mac, password_hash) values (1, '<b>{{7*7}}', %s,
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
    unlike $mail->{html}, qr/<b>\{|<i>x|<b>49/, 'T149 T151 in the mail it is text';
    unlike $mail->{text} . $mail->{html} . $mail->{subject}, qr/\b49\b/,
        'T149 nothing is computed';
}

done_testing;
