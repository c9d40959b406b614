#!/usr/bin/perl

# Bad input: every field of every form, in both encodings.  Each time a 4xx that
# names the field, the form filled again, nothing stored, the worker alive.

use strict;
use warnings;
use utf8;

use Encode ();
use JSON::PP ();

use Portal::Test;

my $portal = portal();
my $monique = account(qr/two families/);

# 1 is nobody, 2 is logged in; programs with the same cookies
# more tries than any limit allows one address
my $tries = 0;
my $source = sub { sprintf '127.7.%d.1', ++$tries / 50 };

my %c = map { $_ => client(source => $source) } 1, 2;
sign_in($c{2}, $monique);
my %j = map {
    my $program = client(json => 1, source => $source);
    $program->{cookies} = $c{$_}->cookies;
    ($_ => $program);
} 1, 2;

my $subscription = $portal->psql("select id from portal.subscription
    where account_id = (select id from portal.account
        where email = '$monique->{email}') order by id limit 1");

# an address that waits to be confirmed, opened in another browser
my ($waiting) = sign_up(client(source => '127.0.7.3'));
my ($link, $token) = link_for($waiting->{email})
    =~ m{(/inscription/confirmation\?jeton=([\w-]{43}))$} or die 'no link';
mail_to($waiting->{email}) or die 'no mail';

my @pids = sort $portal->nginx->workers;

# path => whose, the page that has its token, good fields
my $secret = 'boussole marine 12 hiver';
my %forms = (
    '/inscription' => [1, '/inscription', { last_name => 'Nom',
        first_name => 'Prénom', email => 'nobody@exemple.fr',
        password => $secret }],
    '/inscription/renvoi' => [1, '/inscription/renvoi', {
        email => 'nobody@exemple.fr' }],
    '/inscription/confirmation' => [1, $link, { token => $token,
        password => $secret, new_password => '' }],
    '/connexion' => [1, '/connexion', { email => 'nobody@exemple.fr',
        password => $secret }],
    '/mes-abonnements/nouveau' => [2, '/mes-abonnements/nouveau', {
        code => 'K7QF-2MXD-9HTB', step => 'search' }],
    '/famille/choix' => [2, '/famille', { family => 1 }],
    "/mes-abonnements/$subscription/resiliation" => [2,
        "/mes-abonnements/$subscription/resiliation", {}],
    '/deconnexion' => [2, '/mon-espace', {}],
);

# fields that may stay empty, and those that no page shows as a box
my %optional = map { $_ => 1 } '/inscription/confirmation password',
    '/inscription/confirmation new_password';
my %hidden = map { $_ => 1 } qw(token step family);

# what goes through every door must not have been stored
my @tables = qw(account token session subscription outbox code idempotency
    captcha_used);
my $rows = counted(@tables);

sub enc {
    my ($text) = @_;

    return $text =~ s/([^\w.-])/sprintf '%%%02X', ord $1/gear;
}

sub csrf_of {
    my ($path) = @_;
    my ($who, $page) = @{ $forms{$path} };

    return $forms{$path}[3] //= do {
        my $got = $c{$who}->get($page);
        my ($csrf) = $got->content =~ /name="csrf" value="([^"]+)"/
            or die "no token in $page: ", $got->text;
        $csrf;
    };
}

# a form, raw; a form answered in JSON; JSON, raw
sub form {
    my ($path, $body, %headers) = @_;

    return $c{ $forms{$path}[0] }->post($path, $body, headers => \%headers);
}

sub json_form {
    my ($path, $body) = @_;

    return form($path, $body, Accept => 'application/json');
}

sub json {
    my ($path, $body) = @_;

    return $j{ $forms{$path}[0] }->post($path, $body, headers =>
        { 'Content-Type' => 'application/json' });
}

# the good fields but one
sub encoded {
    my ($path, $skip) = @_;
    my $good = $forms{$path}[2];

    return join '&', 'csrf=' . csrf_of($path), map {
        "$_=" . enc(Encode::encode('UTF-8', $good->{$_}))
    } grep { $_ ne ($skip // '') } sort keys %$good;
}

# the problem names the field, in words; with a code, this one
sub named {
    my ($r, $name, $status, $as, $code) = @_;

    my $problem = eval { $r->json } // {};
    my ($error) = grep { $_->{field} eq $name } @{ $problem->{errors} // [] };

    my $good = $r->status == $status && ($problem->{status} // 0) == $status
        && $r->header('content-type') eq 'application/problem+json'
        && $error && length $error->{message} && length $error->{code}
        && (!$code || $error->{code} eq $code);

    return ok($good, "$as: named") || diag $r->status, ' ', $r->content;
}

# the page again: the message beside the field, what else was typed in it
sub shown {
    my ($r, $path, $name, $as) = @_;

    my $good = $forms{$path}[2];
    my $html = $r->content;
    my @bad;

    push @bad, 'status ' . $r->status if $r->status != 422;
    push @bad, 'not HTML' if $r->header('content-type') !~ m{^text/html};
    push @bad, 'the password is in the page' if index($html, $secret) >= 0;

    if (!$hidden{$name}) {
        push @bad, 'no message beside it' if $html
            !~ m{<p class="error" id="\Q$name\E-error">.*?[.!]</p>};
        push @bad, 'not said to be wrong'
            if $html !~ m{<input id="\Q$name\E"[^>]*aria-invalid="true"};
        push @bad, 'not in the summary'
            if $html !~ m{id="erreurs".*<a href="#\Q$name\E">}s;

        my ($form) = grep { $_->{action} =~ /^\Q$path\E/ } $r->forms;
        my %back = @{ ($form // {})->{fields} // [] };

        for my $other (grep { $_ ne $name } sort keys %$good) {
            next if $other eq 'step';      # its button says it
            my $want = $other =~ /password/ ? '' : $good->{$other};
            push @bad, "$other came back as " . ($back{$other} // 'nothing')
                if ($back{$other} // '-') ne $want;
        }
    }

    return ok(!@bad, "$as: shown again") || diag join "\n", @bad;
}


### every field

# what, bytes, code where it is always the same
my @bad = (
    ['too long', 'x' x 3000], ['a control character', "a\x07b", 'control'],
    ['ESC', "a\e[2Jb", 'control'], ['LF', "a\nb", 'control'],
    ['CR LF', "a\r\nBcc: v\@x.example", 'control'],
    ['U+202E', "a\xe2\x80\xaeb", 'control'],
    ['invalid UTF-8', "a\xff\xfeb", 'encoding'],
    ['overlong UTF-8', "\xc0\xaf", 'encoding'],
    ['cut UTF-8', "a\xe2\x82", 'encoding'],
    ['a surrogate', "\xed\xa0\x80", 'encoding'],
    ['NUL', "a\x00b", 'encoding'], ['NUL alone', "\x00", 'encoding'],
);

for my $path (sort keys %forms) {
    my $good = $forms{$path}[2];

    for my $name (sort keys %$good) {
        my $rest = encoded($path, $name);
        my @cases = @bad;

        push @cases, ['empty', '', 'required'], ['not sent', undef, 'required'],
            $name =~ /password/ ? () : ['spaces', '   ', 'required']
            if !$optional{"$path $name"};

        for my $case (@cases) {
            my ($what, $bytes, $code) = @$case;
            my $as = "$path $name $what";
            my $body = defined $bytes ? "$rest&$name=" . enc($bytes) : $rest;

            shown(form($path, $body), $path, $name, $as);
            named(json_form($path, $body), $name, 422, $as, $code);
        }

        # duplicates, however they are written
        my $value = enc(Encode::encode('UTF-8', $good->{$name}));
        my $alias = $name =~ s/(.)$/sprintf '%%%02x', ord $1/er;

        for my $twice ("$rest&$name=$value&$name=$value",
            "$rest&$name=$value&$name=other", "$rest&$alias=x&$name=$value")
        {
            shown(form($path, $twice), $path, $name, "T100 $path $name twice");
            named(json_form($path, $twice), $name, 422,
                "T100 $path $name twice", 'duplicate');
        }
        named(json_form($path, encoded($path) . "&$name%5B%5D=x"), "$name\[]",
            422, "T100 $path $name\[]", 'unknown_field');

        my $u = sprintf '\u%04x%s', ord $name, substr $name, 1;
        for my $second ($name, $u) {
            named(json($path, '{"csrf":"' . csrf_of($path)
                . qq(","$name":"a","$second":"b"})), $name, 400,
                "T136 $path $name and $second", 'duplicate');
        }

        # texts that are none, as forms have them above
        for my $value ("a\xffb", "\xed\xa0\x80", "a\x00b", 'a\u0000b', 'a\ud800', '\ude00',
            '\ud800\u0041')
        {
            my %rest = map { $_ => $good->{$_} } grep { $_ ne $name } keys %$good;
            my $body = JSON::PP->new->utf8->encode({ %rest, csrf => csrf_of($path) });
            $body =~ s/\}$/,"$name":"$value"}/;
            (my $as = "T139 $path $name: $value") =~ s/([^\x20-\x7e])/sprintf '\x%02x', ord $1/ge;
            named(json($path, $body), $name, 422, $as, $name eq 'family' ? 'type' : 'encoding');
        }

        # types
        for my $value ('["a"]', '[]', '{"$ne":null}', '{}', 'true', 'false',
            $name eq 'family' ? ('"1"', '1.5', '-1', '0', 'null', '1e2')
                : ('1', '1.0'))
        {
            my %rest = map { $_ => $good->{$_} } grep { $_ ne $name }
                keys %$good;
            my $body = JSON::PP->new->utf8->encode({ %rest,
                csrf => csrf_of($path) });
            $body =~ s/\}$/,"$name":$value}/;
            named(json($path, $body), $name, 422, "T103 $path $name: $value");
        }
    }

    # fields that the form does not have
    for my $name (qw(is_admin account account_id tenant roles)) {
        named(json_form($path, encoded($path) . "&$name=1"), $name, 422,
            "T101 T034 $path: $name", 'unknown_field');
        named(json($path, '{"csrf":"' . csrf_of($path) . qq(","$name":1})),
            $name, 422, "T101 T034 $path: $name in JSON", 'unknown_field');
    }
    is form($path, encoded($path) . '&is_admin=1')->status, 422,
        "T101 $path: a page";
    named(json_form($path, encoded($path) . '&key=a&key=b'), 'key', 422,
        "$path: two keys", 'duplicate');
    is json_form($path, encoded($path) . '&csrf=' . csrf_of($path))->status,
        403, "$path: two tokens";
    $portal->psql('delete from portal.attempt');
}


### what is wrong with the whole body

for my $path (sort keys %forms) {
    # all right but for one field, so that nothing comes of it
    my $ok = encoded($path) . '&is_admin=1';
    my %whole = (
        'T142 10,000 fields' => [join('&', $ok, map { "f$_=1" } 1 .. 10_000), 413],
        'T142 1,000 fields' => [join('&', $ok, map { "f$_=1" } 1 .. 1000), 413],
        'T142 10,000 &' => [$ok . '&' x 10_000, 413],
        'T142 a name of 60 kB' => [$ok . '&' . 'n' x 60_000 . '=1', 400],
        'T142 %zz' => [$ok . '&a=%zz', 400], 'T142 % at the end' => [$ok . '&a=%', 400],
        'T142 %4' => [$ok . '&a=%4', 400], 'T142 %u0041' => [$ok . '&a=%u0041', 400],
        'T142 no name' => [$ok . '&=x', 400], 'T142 a NUL in a name' => [$ok . '&a%00=x', 400],
        'T142 a name not UTF-8' => [$ok . '&%ff=x', 400],
        'T142 LF in a name' => [$ok . '&a%0ab=x', 400],
        'T142 ; is no separator' => [$ok =~ s/&/;/r, 403],
        'empty body' => ['', 403],
        '66 kB' => [$ok . '&a=' . 'x' x 66_000, 413],
    );
    for my $what (sort keys %whole) {
        my ($body, $status) = @{ $whole{$what} };
        my $r = form($path, $body);
        is $r->status, $status, "$what: $path";
        is json_form($path, $body)->status, $status, "$what: $path, told in JSON";
    }

    my $csrf = csrf_of($path);
    my $in = qq("csrf":"$csrf");
    my %json = (
        'T139 empty' => ['', 400], 'T139 a text' => ['"a"', 400], 'T139 a list' => ["[{$in}]", 400],
        'T139 null' => ['null', 400], 'T139 trailing data' => ["{$in} x", 400],
        'T139 two objects' => ["{$in}{}", 400], 'T139 a comment' => ["{$in} // x", 400],
        "T139 '" => ["{'csrf':'$csrf'}", 400], 'T139 a trailing comma' => ["{$in,}", 400],
        'T139 cut' => ["{$in", 400], 'T139 a BOM' => ["\xef\xbb\xbf{$in}", 400],
        'T139 invalid UTF-8 in a name' => ["{$in,\"\xff\":\"a\"}", 400],
        'T139 a NUL in a name' => ["{$in,\"a\\u0000\":\"a\"}", 400],
        'T139 half a surrogate in a name' => ["{$in,\"a\\ud800\":\"a\"}", 400],
        'T139 invalid UTF-8 outside a text' => ["{$in,\"a\":\xff}", 400],
        'T139 a NUL after it' => ["{$in}\x00", 400],
        'T139 invalid UTF-8, cut' => ["{$in,\"a\":\"\xff\"", 400],
        'T137 2^63' => ["{$in,\"a\":9223372036854775808}", 400],
        'T137 1e400' => ["{$in,\"a\":1e400}", 400], 'T137 -0' => ["{$in,\"a\":-0}", 400],
        'T137 01' => ["{$in,\"a\":01}", 400], 'T137 NaN' => ["{$in,\"a\":NaN}", 400],
        'T140 nested 100 deep' => ["{$in,\"a\":" . '[' x 100 . ']' x 100 . '}', 413],
        'T140 nested 20,000 deep' => ["{$in,\"a\":" . '[' x 20_000, 413],
        'T140 20,000 lists' => ["{$in,\"a\":[" . join(',', ('[]') x 15_000) . ']}', 413],
        'T140 10,000 keys' => ["{$in," . join(',', map { "\"k$_\":1" } 1 .. 6000) . '}', 413],
        'T140 66 kB' => ["{$in,\"a\":\"" . 'x' x 66_000 . '"}', 413],
    );
    for my $what (sort keys %json) {
        my ($body, $status) = @{ $json{$what} };
        my $r = json($path, $body);
        is $r->status, $status, "$what: $path" or diag substr $r->content, 0, 200;
        is $r->header('content-type'), 'application/problem+json', "$what: a problem";
        like $r->json->{at} // '', qr/./, "$what: and where" if $status == 400;
    }
    is json($path, "{$in,\n\"a\":x}")->json->{at}, 'not JSON at line 2, column 5',
        "T139 $path: the place";
    unlike json($path, "{$in,\"password\":hunter2}")->content, qr/hunter/,
        "T160 $path: nothing of the body";

    # types of content
    for my $type ('text/plain', 'application/xml', 'multipart/form-data; boundary=x',
        'application/jsonx', 'application/x-www-form-urlencodedx', 'application/json+x',
        'application/', ';', 'application/x-www-form-urlencoded, text/plain')
    {
        is form($path, $ok, 'Content-Type' => $type)->status, 415, "type $type: $path";
    }
    for my $type ('application/x-www-form-urlencoded; charset=utf-8',
        'APPLICATION/X-WWW-FORM-URLENCODED')
    {
        is form($path, $ok, 'Content-Type' => $type)->status, 422, "type $type: $path";
    }
    is form($path, $ok, 'Content-Type' => '')->status, 415, "no type: $path";
    for my $coding (qw(gzip deflate br identity x)) {
        is form($path, $ok, 'Content-Encoding' => $coding)->status, 415,
            "T178 Content-Encoding $coding: $path";
    }
    is json($path, $ok)->status, 400, "T143 a form said to be JSON: $path";
    is form($path, '{"csrf":"x"}')->status, 403, "T143 JSON said to be a form: $path";

    # in pieces
    my $c = $c{ $forms{$path}[0] };
    my $cookies = join '; ', map { "$_=" . $c->cookie($_) } keys %{ $c->cookies };
    my $head = "POST $path HTTP/1.1\r\nHost: $c->{host}\r\nConnection: close\r\n"
        . "Sec-Fetch-Site: same-origin\r\nCookie: $cookies\r\n"
        . "Content-Type: application/x-www-form-urlencoded\r\n";
    my $pieces = join '', map { sprintf "%x\r\n%s\r\n", length, $_ } $ok =~ /(.{1,7})/gs;
    like $c->raw("${head}Transfer-Encoding: chunked\r\n\r\n${pieces}0\r\n\r\n"),
        qr{^HTTP/1\.1 422}, "in chunks: $path";
    $pieces = join '', map { sprintf "%x\r\n%s\r\n", length, $_ } ('x' x 10_000) x 7;
    like $c->raw("${head}Transfer-Encoding: chunked\r\n\r\n${pieces}0\r\n\r\n"),
        qr{^HTTP/1\.1 413}, "T140 70 kB in chunks: $path";
    like $c->raw("${head}Transfer-Encoding: chunked\r\n\r\nzz\r\nx"), qr{^HTTP/1\.1 400},
        "chunks that are none: $path";
    my $cut = $c->socket;
    print $cut "${head}Content-Length: 500\r\n\r\n" . substr $ok, 0, 50;
    close $cut;
    $portal->psql('delete from portal.attempt');
}


### T143: what the answer is written in

for (['text/html' => 'text/html; charset=utf-8'], ['*/*' => 'text/html; charset=utf-8'],
    ['' => 'text/html; charset=utf-8'], ['application/json' => 'application/problem+json'],
    ['application/problem+json' => 'application/problem+json'],
    ['application/json;q=0, text/html' => 'text/html; charset=utf-8'],
    ['text/html;q=0.5, application/json' => 'application/problem+json'],
    ['application/json;q=0.4, text/html;q=0.5' => 'text/html; charset=utf-8'],
    ['application/json, */*;q=0.1' => 'application/problem+json'],
    ['garbage' => 'text/html; charset=utf-8'], [',,;;q=' => 'text/html; charset=utf-8'],
    ['application/json;q=x' => 'text/html; charset=utf-8'],
    [('x/y,' x 1900) => 'text/html; charset=utf-8'])
{
    my ($accept, $type) = @$_;
    my $r = client()->request('GET', '/nowhere', headers => { Accept => $accept });
    # the client puts a header of its own where none is given
    is $r->header('content-type'), $type, 'T143 Accept: ' . substr $accept, 0, 40;
    like $r->header('vary'), qr/^Accept(?:,|$)/, 'T143 Vary';
}


### keys of idempotency

{
    my $path = "/mes-abonnements/$subscription/resiliation";
    for my $key ('x' x 129, "a\x01b", 'a b', 'é' x 10, 'x' x 65, 'x' x 128) {
        my $bytes = Encode::encode('UTF-8', $key);
        my $r = form($path, 'csrf=' . csrf_of($path) . '&key=' . enc($bytes) . '&bad=1');
        is $r->status, 422, 'a key of ' . length $key;
    }
    for my $long (64, 65, 128) {
        my $r = form('/mes-abonnements/nouveau', 'csrf=' . csrf_of('/mes-abonnements/nouveau')
            . '&code=K7QF-2MXD-9HTB&step=add&key=' . 'x' x $long);
        is $r->status, 422, "a key of $long goes as far as the table: no 500" or diag $r->text;
        $portal->psql('delete from portal.attempt');
    }
}


### SQL, templates and logs: what is typed is only text

my $path = '/inscription/renvoi';
for my $text ("' OR 1=1--", "\\'", '$$;select pg_sleep(25)--', ';pg_sleep(25)', "x\x{2bc}",
    '{{7*7}}', '${7*7}', '%n%s', '<%= 7*7 %>', '"><svg onload=alert(1)>', '</textarea>',
    "' autofocus onfocus=alert(1) x='", '{{{csrf}}}', '{{>layout}}')
{
    my $bytes = Encode::encode('UTF-8', $text);
    my $r = form($path, 'csrf=' . csrf_of($path) . '&email=' . enc($bytes));
    is $r->status, 422, "T185 T149 « $text »";
    cmp_ok $r->took, '<', 20, 'T185 at once';
    my %back = @{ $r->form->{fields} };
    is $back{email}, $text, 'T149 T151 it comes back as it was typed';
    unlike $r->content, qr/<svg onload|value="49"/, 'T151 escaped';
}


### at the end

is counted(@tables), $rows, 'nothing was stored by any of it';
is_deeply [sort $portal->nginx->workers], \@pids, 'the workers are the same';
is client()->get('/')->status, 200, 'and answer';
is $c{2}->get('/famille')->status, 200, 'the session too';
{
    open my $log, '<:raw', $portal->nginx->error_log or die $!;
    my $text = do { local $/; <$log> };
    unlike $text, qr/boussole marine|\e\[2J/, 'T148 T160 no secret in the log, no escape';
}

done_testing;
