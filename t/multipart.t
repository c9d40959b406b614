#!/usr/bin/perl

# Forms with files: in which order things are looked at, what a file is, what a
# body must look like, and that nothing stays behind.  A form of the test's own.

use strict;
use warnings;
use utf8;

use File::Copy ();
use File::Temp ();
use JSON::PP ();

use Portal::Place qw(free_port slurp spew);
use Portal::Test;

my $dir = File::Temp->newdir;
chmod 0755, $dir;
mkdir "$dir/$_" for qw(forms templates templates/icon templates/mail);
for my $file (map { glob } 'conf.d/portal/forms/*', 'src/templates/*.mustache',
    'src/templates/*/*.mustache')
{
    my ($to) = $file =~ m{(?:portal|src)/(.*)};
    File::Copy::copy($file, "$dir/$to") or die "$file: $!";
}
spew("$dir/forms/photo.form", <<'END');
field city      text   required max=20
field photo     file   required max=10m accept=jpeg,png,webp
field document  file   max=300k accept=pdf,jpeg
END
spew("$dir/forms/plain.form", "field city text\n");
spew("$dir/templates/photo.mustache", <<'END');
{{<layout}}
{{$title}}Photo{{/title}}
{{$content}}
<form method="post" action="{{form.action}}"{{#form.multipart}} enctype="multipart/form-data"{{/form.multipart}} novalidate>
{{>csrf}}
{{#form.fields}}{{>field}}{{/form.fields}}
<button class="button" type="submit">OK</button>
</form>
{{/content}}
{{/layout}}
END

my $h2 = free_port();
my $locations = join ' ', map { "location = /t/$_->[0] { portal_allow $_->[1];
        client_max_body_size 256m; portal_page photo;
        portal_post t_echo $_->[2]; }" } ['photo', 'public', 'photo'],
        ['mine', 'citizen', 'photo'], ['plain', 'public', 'plain'];
my $portal = Portal::Stack->new(directives => {
    portal_forms => "$dir/forms", portal_templates => "$dir/templates" },
    server => $locations, http => "server { listen 127.0.0.1:$h2 http2;
        server_name localhost; portal_tenant saint-aubin;
        include conf.d/portal/pages.inc; $locations }");
$portal->prepare;
$portal->start_database;
$portal->psql("create table t_called (n int);
    create function portal.t_echo(input jsonb) returns json
    language plpgsql security definer as 'begin
    insert into public.t_called values (1);
    return json_build_object(''status'', 200, ''got'', input - ''_''); end';
    grant execute on function portal.t_echo(jsonb) to portal_web");
$portal->start_redis;
$portal->start_mail;
$portal->start_nginx;
Portal::Test::adopt($portal);
wait_for(10, sub { client()->get('/t/photo')->status == 200 });

my @pids = sort $portal->nginx->workers;
my $c = client();
my $page = $c->get('/t/photo');
my %fields = @{ $page->form->{fields} };
my $csrf = $fields{csrf};

# files of each kind
my $JPEG = "\xff\xd8\xff\xe0\0\x10JFIF\0 not one to be decoded\r\n--x\r\n";
my %good = (jpeg => $JPEG, png => "\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    webp => "RIFF\x24\0\0\0WEBPVP8 ");

# a part: name, bytes, file name, other header lines
sub part {
    my ($name, $bytes, $file, @more) = @_;

    return join "\r\n", '--b', qq(Content-Disposition: form-data; name="$name")
        . (defined $file ? qq(; filename="$file") : ''), @more, '', $bytes, '';
}

sub token { part('csrf', $csrf) }
sub whole { join('', @_) . "--b--\r\n" }
sub good  { whole(token(), part('city', 'Lyon'),
    part('photo', $_[0] // $JPEG, 'x.jpg', 'Content-Type: image/jpeg'), @_[1 .. $#_]) }

sub called { $portal->psql('select count(*) from t_called') }

sub sent {
    my ($body, %o) = @_;

    return ($o{client} // $c)->post($o{path} // '/t/photo', $body, headers => {
        'Content-Type' => 'multipart/form-data; boundary=b',
        $o{html} ? () : (Accept => 'application/json'), %{ $o{headers} // {} } });
}

sub code {
    my ($r) = @_;

    my $errors = (eval { $r->json } // {})->{errors} // [];

    return join ' ', map { "$_->{field}:$_->{code}" } @$errors;
}

sub digest {
    my ($bytes) = @_;

    spew("$dir/bytes", $bytes);
    my ($hex) = `b2sum -l 256 $dir/bytes` =~ /^(\w+)/;

    return $hex;
}


### the page

like $page->content, qr/<form [^>]*enctype="multipart\/form-data"/, 'enctype';
like $page->content, qr{<input id="photo" name="photo" type="file" accept="image/jpeg,image/png,image/webp" required},
    'the chooser offers what is accepted';
unlike $c->get('/t/plain')->content, qr/enctype/, 'of a form without files not';


### a file that is right, in memory and in nginx's file

for my $size (1000, 30_000, 262_143, 262_144, 262_145, 524_288, 3_000_001,
    10_485_760)
{
    my $bytes = $JPEG . join '', map { chr(rand 256) } 1 .. 4096;
    $bytes = substr $bytes x (1 + $size / length $bytes), 0, $size;

    my $r = sent(good($bytes));
    is $r->status, 200, "$size bytes" or diag $r->text;
    is_deeply $r->json->{got}, { city => 'Lyon', document => undef, photo =>
        { type => 'jpeg', size => $size, digest => digest($bytes) } },
        "$size bytes: as they were sent";
}
for my $type (sort keys %good) {
    my $r = sent(good($good{$type}));
    is $r->json->{got}{photo}{type}, $type, "$type";
    is $r->json->{got}{photo}{digest}, digest($good{$type}), "$type: its bytes";
}
{
    my $pdf = "%PDF-1.7\r\n" . "\0" x 1000;
    my $r = sent(good($JPEG, part('document', $pdf, 'x')));
    is_deeply [map { $r->json->{got}{$_}{digest} } qw(photo document)],
        [digest($JPEG), digest($pdf)], 'two files';

    # in pieces of the client's own making
    my $body = good($JPEG x 3000);
    my $chunked = join '', map { sprintf "%x\r\n%s\r\n", length, $_ }
        $body =~ /(.{1,9999})/gs;
    my $text = $c->raw("POST /t/photo HTTP/1.1\r\nHost: $c->{host}\r\n"
        . "Origin: $c->{origin}\r\nCookie: __Host-visit="
        . $c->cookie('__Host-visit') . "\r\nAccept: application/json\r\n"
        . "Content-Type: multipart/form-data; boundary=b\r\n"
        . "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        . "${chunked}0\r\n\r\n");
    like $text, qr/"digest"\s*:\s*"\Q@{[digest($JPEG x 3000)]}"/, 'chunked';
}


# and over HTTP/2
sub over_h2 {
    my ($body) = @_;

    spew("$dir/body", $body);
    open my $in, '-|', 'curl', '-s', '-i', '--http2-prior-knowledge',
        '--max-time', '30', '-H', 'Sec-Fetch-Site: same-origin', '-H',
        'Accept: application/json', '-H', 'Cookie: __Host-visit='
            . $c->cookie('__Host-visit'), '-H',
        'Content-Type: multipart/form-data; boundary=b', '--data-binary',
        "\@$dir/body", "http://localhost:$h2/t/photo" or die "curl: $!";
    local $/;

    return scalar <$in>;
}
for my $times (1, 20_000) {
    my $answer = over_h2(good($JPEG x $times));
    like $answer, qr/^HTTP\/2 200 /, "h2 $times";
    like $answer, qr/\Q@{[digest($JPEG x $times)]}/, "h2 $times: its bytes";
    like over_h2(whole(part('photo', $JPEG x $times, 'x'), token())),
        qr/^HTTP\/2 403 /, "h2 $times: T076 the token behind";
}


### T076, T130: the token is in front, and comes before any file

{
    my $before = called();
    my $photo = part('photo', $JPEG, 'x.jpg');
    my %bad = ('without a token' => whole(part('city', 'Lyon'), $photo),
        'the token after the file' => whole($photo, token()),
        'the token second' => whole(part('city', 'Lyon'), token(), $photo),
        'another token' => whole(part('csrf', 'x' x 86), $photo),
        'the token as a file' => whole(part('csrf', $csrf, 'x'), $photo),
        'no part' => whole());

    for my $what (sort keys %bad) {
        my $r = sent($bad{$what});
        is $r->status, 403, "T076 $what";
        is $r->json->{code} // 'csrf', 'csrf', "T076 $what: said";
        is sent($bad{$what}, html => 1)->status, 403, "T076 $what: a page";
    }
    # not even what would be wrong of it
    is sent(whole($photo, token()) =~ s/--b--//r)->status, 403,
        'T076 refused before the rest is read';

    my $r = sent(whole(part('city', 'Lyon'), $photo),
        headers => { 'X-CSRF-Token' => $csrf });
    is $r->status, 200, 'a program says it in the header';
    is sent(good(), headers => { 'Sec-Fetch-Site' => 'cross-site' })->status,
        403, 'T076 from another site';
    is sent(good(), path => '/t/plain')->status, 415,
        'T076 no form with files';
    is called(), $before + 1, 'T076 nothing was done by the others';
}

for my $case (
    ['no session', '/t/mine', '', qr/^HTTP\/1.1 (?:303|401|403)/],
    ['another site', '/t/photo', "Sec-Fetch-Site: cross-site\r\n", qr/ 403 /],
    ['too large', '/t/photo', "Origin: $c->{origin}\r\n", qr/ 413 /, 40_000_000],
    ['far too large', '/t/photo', "Origin: $c->{origin}\r\n", qr/ 413 /,
        300_000_000],
    ['no boundary', '/t/photo', "Origin: $c->{origin}\r\n", qr/ 400 /, 9_000_000,
        'multipart/form-data'])
{
    my ($what, $path, $headers, $want, $size, $type) = @$case;
    $size //= 10_000_000;
    $type //= 'multipart/form-data; boundary=b';

    my $s = $c->socket;
    print $s "POST $path HTTP/1.1\r\nHost: $c->{host}\r\n${headers}Content-Type:"
        . " $type\r\nContent-Length: $size\r\nExpect: 100-continue\r\n"
        . "Connection: close\r\n\r\n";
    like scalar(<$s>), $want, "T130 $what: refused, no body asked for";
    close $s;
}
{
    my $s = $c->socket;
    print $s "POST /t/photo HTTP/1.1\r\nHost: $c->{host}\r\nOrigin: $c->{origin}"
        . "\r\nContent-Type: multipart/form-data; boundary=b\r\n"
        . "Content-Length: 100\r\nExpect: 100-continue\r\n\r\n";
    like scalar(<$s>), qr/ 100 /, 'T130 where it may come, it is asked for';
    close $s;
}


# bytes in the files without a name that the workers hold open
sub stored {
    my $sum = 0;
    for my $fd (map { glob "/proc/$_/fd/*" } @pids) {
        $sum += -s $fd // 0 if (readlink($fd) // '') =~ /client_body/;
    }
    return $sum;
}

# half of a large body, the other half later
sub half {
    my ($body, $cookie) = @_;

    my $s = $c->socket;
    print $s "POST /t/photo HTTP/1.1\r\nHost: $c->{host}\r\nOrigin: $c->{origin}"
        . "\r\nCookie: __Host-visit=$cookie\r\nContent-Length: "
        . length($body) . "\r\nContent-Type: multipart/form-data; boundary=b\r\n"
        . "Connection: close\r\n\r\n", substr $body, 0, 2_000_000;
    $s->flush;

    return $s;
}
{
    my $body = good($JPEG x 100_000);
    my $cookie = $c->cookie('__Host-visit');

    my $s = half($body, $cookie);
    ok wait_for(10, sub { stored() > 1_000_000 }),
        'T130 a body with a good token is stored while it comes';
    print $s substr $body, 2_000_000;
    like scalar(<$s>), qr/ 200 /, 'T130 and taken';
    close $s;
    ok wait_for(10, sub { stored() == 0 }), 'T130 and gone with its answer';

    $s = half($body, 'x' x 43);
    my $most = 0;
    for (1 .. 20) {
        select undef, undef, undef, 0.05;
        $most = stored() if stored() > $most;
    }
    is $most, 0, 'T076 T130 of one without, nothing';
    print $s substr $body, 2_000_000;
    like scalar(<$s>), qr/ 403 /, 'T076 T130 and it is refused';
}


### T118: what a file is its first bytes say

{
    my %bad = (SVG => '<svg xmlns="http://www.w3.org/2000/svg"/>',
        SVGZ => "\x1f\x8b\x08\0", HTML => '<!doctype html><script>',
        XML => '<?xml version="1.0"?>', PDF => '%PDF-1.7', TIFF => "II*\0",
        MVG => "push graphic-context\n", EPS => '%!PS-Adobe-3.0 EPSF-3.0',
        HEIC => "\0\0\0\x18ftypheic", GIF => 'GIF89a', text => 'x',
        'a cut PNG' => "\x89PNG\r\n", WAVE => "RIFF\1\2\3\4WAVEfmt ",
        'a JPEG behind a space' => " $JPEG");

    for my $type (sort keys %bad) {
        my $r = sent(good($bad{$type}));
        is $r->status, 415, "T118 $type named .jpg";
        is code($r), 'photo:file_type', "T118 $type: said";
    }
    my $r = sent(good($bad{SVG}), html => 1);
    is $r->status, 415, 'T118 a page';
    like $r->content, qr/<p class="error" id="photo-error">/, 'T118 beside it';
    like $r->content, qr/name="city"[^>]* value="Lyon"/,
        'the rest is there again';
    is sent(whole(token(), part('city', 'Lyon'), part('photo', $JPEG, 'x.svg',
        'Content-Type: image/svg+xml')))->status, 200,
        'T118 whatever it is declared to be';
    is code(sent(good($JPEG, part('document', $good{png}, 'x')))),
        'document:file_type', 'what one field accepts another does not';
}

{
    my $r = sent(good($JPEG, part('document', $JPEG . 'x' x 310_000, 'x')));
    is $r->status, 413, 'a file larger than its field may be';
    is code($r), 'document:file_size', 'said';
}
{
    # larger than may be kept, and yet the form comes back
    my $large = $JPEG . 'x' x 14_000_000;
    my $before = called();
    my $r = sent(good($large, part('document', $JPEG, 'x')), html => 1);
    is $r->status, 413, 'a photo of 14 MB';
    like $r->content, qr/<p class="error" id="photo-error">.*?trop lourd.{1,2}: 10.{1,2}Mo/, 'said beside it';
    like $r->content, qr/name="city"[^>]* value="Lyon"/, 'the rest is there again';
    unlike $r->content, qr/id="document-error"/, 'nothing else is wrong';
    is code(sent(good($large, part('document', 'x' . $JPEG, 'x')))),
        'photo:file_size document:file_type', 'the file behind it is looked at where it is';
    is code(sent(good($JPEG, part('photo', $large, 'x')))), 'photo:duplicate', 'twice';
    is code(sent(good($JPEG, part('other', $large, 'x')))), 'other:unknown_field', 'of no field';

    # more than is read: the page says what is too large
    my $cookies = join '; ', map { "$_=" . $c->cookie($_) } keys %{ $c->cookies };
    my $head = "POST /t/photo HTTP/1.1\r\nHost: $c->{host}\r\nOrigin: $c->{origin}\r\n"
        . "Connection: close\r\nCookie: $cookies\r\nContent-Type: ";
    my $type = 'multipart/form-data; boundary=b';
    my $said = sub { Encode::decode('UTF-8', $c->raw($head . $_[0])) };
    my $chunked = sub { my $size = length $_[1];
        "$_[0]\r\nTransfer-Encoding: chunked\r\n\r\n" . sprintf("%x\r\n", $size) . $_[1]
            . "\r\n0\r\n\r\n" };

    like $said->("$type\r\nContent-Length: 40000000\r\n\r\n"), qr{^HTTP/1\.1 413.*trop lourd.{1,2}: 10.{1,2}Mo}s,
        '40 MB: not read, the page says what a file may have';
    like $said->($chunked->($type, good('x' x 34_000_000))), qr{^HTTP/1\.1 413.*trop lourd.{1,2}: 10.{1,2}Mo}s,
        'in chunks: no further than may be';
    like $said->($chunked->('application/json', '"' . 'x' x 300_000 . '"')),
        qr{^HTTP/1\.1 413.*Raccourcissez vos réponses}s, 'JSON in chunks: as everywhere';
    is called(), $before, 'nothing was done by any of these';
}


### T124: file names

{
    my @names = ('../../x', 'C:\x', "a\0b", "a\xe2\x80\xaeb", '%0d%0a',
        'x;filename=y', 'a\"; filename=\"b', 'x' x 5000, '.htaccess', '-rf',
        'secret-name.jpg', '', ' ', '.', '..', 'con', '/etc/passwd');

    for my $name (@names) {
        my $r = sent(whole(token(), part('city', 'Lyon'),
            part('photo', $JPEG, $name)));
        is $r->status, 200, 'T124 ' . substr($name =~ s/[^ -~]/?/gr, 0, 20)
            or diag $r->content;
        is_deeply [sort keys %{ $r->json->{got}{photo} }],
            [qw(digest size type)], 'T124 and is nowhere in the answer';
    }
    is sent(whole(token(), part('city', 'Lyon'), part('photo', $JPEG,
        "a\r\nX: y")))->status, 400, 'T124 CRLF ends the line';
    unlike slurp($portal->nginx->error_log) . slurp($portal->nginx->access_log),
        qr/secret-name|htaccess/, 'T124 nor in a log';
}


### T125: bodies that are none

{
    my $before = called();
    my $csrf_part = token();
    my $named = 'Content-Disposition: form-data; name=city';
    my $odd = sub { whole(token(), "--b\r\n$_[0]\r\n\r\nLyon\r\n",
        part('photo', $JPEG, 'x')) };
    my %bad = (
        'another boundary' => [whole(token()) =~ s/--b/--c/gr, 400],
        'missing close' => [good() =~ s/--b--\r\n//r, 400],
        'cut' => [substr(good(), 0, -60), 400], 'empty' => ['', 400],
        'LF only' => [good() =~ s/\r\n/\n/gr, 400],
        '1 MB preamble' => ['x' x 1_000_000 . "\r\n" . good(), 413],
        '1 MB epilogue' => [good() . 'x' x 1_000_000, 413],
        'nested' => [$odd->("$named\r\nContent-Type: multipart/mixed; boundary=c"),
            400],
        'without a name' => [$odd->('Content-Disposition: form-data'), 400],
        'without a disposition' => [$odd->('Content-Type: text/plain'), 400],
        'an attachment' => [$odd->('Content-Disposition: attachment; name=city'), 400],
        'two dispositions' => [$odd->("$named\r\n$named"), 400],
        'a header of 64 kB' => [$odd->("$named\r\nX: " . 'x' x 65_536), 413],
        'a folded header' => [$odd->("$named\r\n x"), 400],
        'base64' => [$odd->("$named\r\nContent-Transfer-Encoding: base64"), 400],
        'quoted-printable' =>
            [$odd->("$named\r\nContent-Transfer-Encoding: quoted-printable"), 400],
        '10,000 parts' => [whole(token(), map { part("f$_", 1) } 1 .. 10_000), 413],
        '9 files' => [whole(token(), map { part("f$_", $JPEG, 'x') } 1 .. 9), 413],
        'a text of 70 kB' => [whole(token(), part('city', 'x' x 70_000)), 413],
    );

    for my $what (sort keys %bad) {
        my ($body, $status) = @{ $bad{$what} };
        is sent($body)->status, $status, "T125 $what";
        is sent($body, html => 1)->status, $status, "T125 $what: a page";
    }
    for my $type ('multipart/form-data', 'multipart/form-data; boundary=',
        'multipart/form-data; boundary=""', 'multipart/form-data; boundary="b',
        'multipart/form-data; boundary=' . 'b' x 71,
        'multipart/form-data; boundary=b; boundary=b', 'multipart/mixed; boundary=b')
    {
        is sent(good(), headers => { 'Content-Type' => $type })->status, 400,
            'T125 ' . substr $type, 0, 60;
    }
    is sent(good(), headers => { 'Content-Type' =>
        'multipart/form-data; boundary="b"' })->status, 200, 'T125 quoted';

    my $twice = whole(token(), part('city', 'a'), part('city', 'b'),
        part('photo', $JPEG, 'x'), part('photo', $JPEG, 'x'));
    is code(sent($twice)), 'city:duplicate photo:duplicate', 'T125 twice';
    is code(sent(good($JPEG, part('other', $JPEG, 'x'), part('more', 1)))) =~
        s/(\w+):unknown_field/x/gr, 'x x', 'T101 names that it does not have';
    is code(sent(whole(token(), part('city', $JPEG, 'x'),
        part('photo', 'text')))), 'city:type photo:type',
        'a file for a text, a text for a file';
    is called(), $before + 1, 'T125 nothing was done by any of them';
}


### no file

{
    my $none = whole(token(), part('city', 'Lyon'), part('photo', '', ''),
        part('document', '', ''));
    is code(sent($none)), 'photo:required', 'an empty file is none';
    is_deeply sent(good($JPEG, part('document', '', '')))->json->{got}{document},
        undef, 'where it need not be, null';

    my $j = client(json => 1);
    for my $value ('x', { type => 'jpeg', size => 1 }, 1, ['x']) {
        is code(json_post($j, '/t/photo', { city => 'Lyon', photo => $value })),
            'photo:type', 'JSON carries no file';
    }
    is code($c->post('/t/photo', { csrf => $csrf, city => 'Lyon', photo => 'x' },
        headers => { Accept => 'application/json' })), 'photo:type',
        'nor does a form of the other kind';
}


### a session that has ended meanwhile: what was typed is kept, a file never

{
    my $camille = account(qr/couple/);
    my $in = client(source => '127.0.9.1');
    sign_in($in, $camille);
    my %own = @{ $in->get('/t/mine')->form->{fields} };
    my $body = whole(part('csrf', $own{csrf}), part('city', 'Lyon'),
        part('photo', $JPEG x 20_000, 'x'));
    my $before = called();

    is sent($body, path => '/t/mine', client => $in)->status, 200, 'in time';
    $portal->redis_cli('FLUSHALL');
    my $r;
    wait_for(15, sub {
        $r = sent($body, path => '/t/mine', client => $in, html => 1);
        $r->status == 401;
    });
    is $r->status, 401, 'late';
    my ($restore) = $r->content =~ /name="restore" value="([^"]+)"/;
    cmp_ok length($restore // ''), '>', 100, 'the log-in page carries it';
    cmp_ok length($restore // ''), '<', 1000, 'but not the file';
    $r = $in->submit($r, { email => $camille->{email},
        password => $camille->{password} }, form => '/connexion');
    is $r->location, '/t/mine?reprise=1', 'back to the page';
    like $in->get($r->location)->content, qr/name="city"[^>]* value="Lyon"/,
        'filled again';
    is called(), $before + 1, 'and was done once, in time';
}


### T127: the client goes

{
    my $body = good($JPEG x 20_000);
    my $head = join "\r\n", 'POST /t/photo HTTP/1.1', "Host: $c->{host}",
        "Origin: $c->{origin}", 'Cookie: __Host-visit=' . $c->cookie('__Host-visit'),
        'Content-Type: multipart/form-data; boundary=b',
        'Content-Length: ' . length $body, '', '';
    my $before = called();

    for my $at (0, 1, 50, 100, 150, 200, 300, 400, 1000, 65_536, 500_000,
        length($body) / 2, length($body) - 1)
    {
        my $s = $c->socket;
        # RST instead of FIN
        setsockopt $s, Socket::SOL_SOCKET(), Socket::SO_LINGER(), pack 'ii', 1, 0;
        print $s $head, substr $body, 0, $at;
        $s->flush;
        close $s;
    }
    is called(), $before, 'T127 cut anywhere: nothing is done';

    my $s = $c->socket;
    print $s $head, $body;
    $s->flush;
    close $s;
    ok wait_for(10, sub { called() == $before + 1 }),
        'T127 all of it came: it is finished, whoever waits';
}


### at the end

is sent(good())->status, 200, 'the next one is served';
is_deeply [sort $portal->nginx->workers], \@pids, 'the workers are the same';
is_deeply [glob $portal->nginx->dir . '/client_body/*'], [],
    'T127 no temporary file is left';
{
    # a file without a name is held open by nobody either
    my @open = grep { /client_body/ } map { readlink($_) // '' }
        map { glob "/proc/$_/fd/*" } @pids;
    is "@open", '', 'T127 nor held open';
}

done_testing;
