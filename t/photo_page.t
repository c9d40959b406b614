#!/usr/bin/perl

# A child's photo through the front door: sent as a telephone takes it, kept,
# asked for, seen by those who may, decided, undone, taken out.

use strict;
use warnings;
use utf8;

use Compress::Zlib qw(compress crc32);
use File::Temp ();
use IO::Socket::INET;

use Portal::Pending;
use Portal::Place qw(slurp spew);
use Portal::Test;

my $portal = portal();
my $dir = File::Temp->newdir;

# red, green over blue, white, 96 by 64
sub ppm {
    my ($width, $height) = @_;

    my $half = $width / 2;
    my @row = map { my ($l, $r) = @$_; pack('C3', @$l) x $half . pack('C3', @$r) x $half }
        [[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 255]];
    return "P6\n$width $height\n255\n" . join '', map { $row[$_ < $height / 2 ? 0 : 1] }
        0 .. $height - 1;
}

sub made {
    my ($command, $in) = @_;

    spew("$dir/in", $in);
    my $out = `$command $dir/in`;
    die "$command\n" if $? || $out eq '';
    return $out;
}

# a telephone held upright: orientation 6, its maker and where it was
sub phone {
    my ($jpeg) = @_;

    my $tiff = 'MM' . pack('nN', 42, 8) . pack('n', 3)
        . pack('nnNnn', 0x112, 3, 1, 6, 0) . pack('nnNN', 0x10f, 2, 20, 62)
        . pack('nnNN', 0x8825, 4, 1, 82) . pack('N', 0) . "\0" x 12
        . "SecretMaker 48.8566\0" . pack('n', 1) . pack('nnNa4', 1, 2, 2, "N\0\0\0") . pack 'N', 0;
    my $exif = "Exif\0\0$tiff";
    return "\xff\xd8\xff\xe1" . pack('n', 2 + length $exif) . $exif . substr $jpeg, 2;
}

sub chunk { pack('N', length $_[1]) . $_[0] . $_[1] . pack 'N', crc32("$_[0]$_[1]") }

my $jpeg = made('cjpeg -quality 95 -sample 1x1', ppm(96, 64));
my $phone = phone($jpeg);
my $webp = do { spew("$dir/in", ppm(96, 64)); `cwebp -quiet -q 90 $dir/in -o -` };

# the middles of the four quarters, as letters; and the size
sub colours {
    my ($bytes) = @_;

    my ($width, $height, $at);
    my $ppm = made('djpeg -pnm', $bytes);
    ($width, $height) = $ppm =~ /\AP6\s(\d+) (\d+)\s255\s/ and $at = $+[0];
    my $got = '';
    for my $y (1, 3) {
        for my $x (1, 3) {
            my $bits = join '', map { $_ > 128 ? 1 : 0 } unpack 'C3', substr $ppm,
                $at + 3 * (int($height * $y / 4) * $width + int $width * $x / 4), 3;
            $got .= { 100 => 'R', '010' => 'G', '001' => 'B', 111 => 'W' }->{$bits} // '?';
        }
    }
    return "$got ${width}x$height";
}

my %people = map { ($_->{email} =~ /^(\w+)/)[0] => $_ } @{ $portal->demo->{accounts} };

sub in {
    my ($name) = @_;

    my $c = client();
    sign_in($c, $people{$name});
    return $c;
}

my ($camille, $julien) = map { in($_) } qw(camille julien);
my ($child, $stranger) = map { scalar $portal->psql("select min(m.child_id)
    from portal.child_family m join portal.family f on f.id = m.family_id
    where f.number $_ '104201'") } '=', '>';
my $page = "/famille/enfants/$child/photo";
my $agent = agent_client();

# a form with a file, as a browser sends it; file: [bytes, name, declared type]
sub send_photo {
    my ($c, $file, %o) = @_;

    my $form = $o{page} // $c->get($o{path} // $page);
    my %fields = (@{ $form->form('/photo')->{fields} }, step => 'send', %{ $o{fields} // {} });
    my $csrf = delete $fields{csrf};
    my $body = join "\r\n", map({ ('--b', qq(Content-Disposition: form-data; name="$_->[0]"), '',
            Encode::encode('UTF-8', $_->[1])) }
            ['csrf', $csrf], map { [$_, $fields{$_}] } sort grep { $_ ne 'photo' } keys %fields),
        $file ? ('--b', 'Content-Disposition: form-data; name="photo"; filename="'
            . ($file->[1] // 'IMG_1.JPG') . '"', 'Content-Type: ' . ($file->[2] // 'image/jpeg'),
            '', $file->[0]) : (), '--b--', '';
    return $body if $o{only};
    return $c->post($o{path} // $page, $body, headers => {
        'Content-Type' => 'multipart/form-data; boundary=b', %{ $o{headers} // {} } });
}

sub kept { scalar $portal->psql('select count(*) from portal.upload where set_id is null') }
sub number_of { $_[0]->location =~ m{^/famille/demandes/(\d+)} ? $1 : 'none: ' . $_[0]->location }
sub decide {
    my ($id, $step, %more) = @_;
    return $agent->submit($agent->get("/demandes/$id"), { step => $step, %more },
        form => "/demandes/$id");
}


### the page

my $form = $camille->get($page);
is $form->status, 200, 'the page';
like $form->title, qr/Ajouter une photo/, 'its title';
like $form->text, qr/JPEG, PNG ou WebP, 10.Mo au plus/, 'says what may be sent';
like $form->text, qr/aucun droit à l’image/, 'the right to pictures is another matter';
like $form->content, qr/enctype="multipart\/form-data"/, 'it takes files';
unlike $form->content, qr/Photo de l\S+enfant <span class="optional">/, 'without one it asks for nothing';
like $camille->get("/famille/enfants/$child")->text, qr/Pas de photo.*Ajouter une photo/s,
    'the child’s page leads there';
is $camille->get("$page.jpg")->status, 404, 'no picture yet';


### T118: not what it must be

my %wrong = (
    'T118 SVG' => '<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>',
    'T118 HTML' => '<!DOCTYPE html><script>alert(1)</script>', 'T118 PDF' => "%PDF-1.4\n",
    'T118 TIFF' => "II*\0", 'T118 GIF' => 'GIF89a', 'T118 HEIC' => "\0\0\0\x18ftypheic",
    'T118 MVG' => "push graphic-context\nimage over 0,0 0,0 'x'\n", 'T118 EPS' => "%!PS-Adobe\n",
);
for my $name (sort keys %wrong) {
    my $r = send_photo($camille, [$wrong{$name} . ' ' x 64]);
    is $r->status, 415, "$name under image/jpeg";
    like $r->content, qr/id="photo-error"/, 'beside the field' if $name eq 'T118 SVG';
}
is kept(), 0, 'T118: nothing is kept';


### T119, T121, T122: what begins well and is not

sub apng {
    my $png = "\x89PNG\r\n\x1a\n" . chunk('IHDR', pack 'NNCCCCC', 8, 8, 8, 2, 0, 0, 0);
    return $png . chunk('acTL', pack 'NN', 10_000, 0)
        . chunk('IDAT', compress("\0" x (8 * 25))) . chunk('IEND', '');
}
my $progressive = made('cjpeg -progressive', ppm(96, 64));
my ($sos) = $progressive =~ /(\xff\xda.*?)\xff[\xc4\xda]/s;
my %bad = (
    (map { ("T119 a JPEG of $_ bytes" => [substr($jpeg, 0, $_), qr/abîmée/]) }
        30, int(length($jpeg) / 2), length($jpeg) - 10),
    'T119 a WebP cut short' => [substr($webp, 0, length($webp) - 20), qr/abîmée|WebP/],
    'T117 a pixel bomb' => ["\x89PNG\r\n\x1a\n" . chunk('IHDR', pack 'NNCCCCC', 30_000, 30_000,
        8, 2, 0, 0, 0) . chunk('IDAT', compress("\0" x 9000)) . chunk('IEND', ''), qr/40 millions/],
    'T121 a scan bomb' => [substr($progressive, 0, -2) . $sos x 3000 . "\xff\xd9",
        qr/abîmée|points|JPEG/],
    'T122 10,000 frames' => [apng(), qr/JPEG, PNG ou WebP/],
);
for my $name (sort keys %bad) {
    my ($bytes, $words) = @{ $bad{$name} };
    my $r = send_photo($camille, [$bytes]);
    is $r->status, 422, $name;
    like $r->text, $words, 'says why';
}
is kept(), 0, 'nothing is kept';


### T076, T130: the order of checks

{
    my $body = send_photo($camille, [$phone], only => 1);
    my $before = counted(qw(upload upload_piece change_set));
    my $forged = $body =~ s/(name="csrf"\r\n\r\n).{10}/$1aaaaaaaaaa/r;
    is $camille->post($page, $forged, headers => {
        'Content-Type' => 'multipart/form-data; boundary=b' })->status, 403, 'T076: a wrong token';
    my ($part) = $body =~ /\A(--b\r\n.*?)(?=--b)/s;
    my $late = (substr $body, length $part) =~ s/--b--\r\n\z/$part--b--\r\n/r;
    is $camille->post($page, $late, headers => {
        'Content-Type' => 'multipart/form-data; boundary=b' })->status, 403,
        'T076: a token behind the file';
    my $anon = client();
    my $r = $anon->post($page, $body, headers => {
        'Content-Type' => 'multipart/form-data; boundary=b', Accept => 'application/json' });
    is $r->status, 401, 'T130: nobody known';
    is $anon->get("$page.jpg")->status, 303, 'T082: nor is a picture shown';
    is counted(qw(upload upload_piece change_set)), $before, 'nothing is stored';
    is send_photo($camille, [$phone], path => "/famille/enfants/$stranger/photo",
        page => $camille->get($page))->status, 404, 'another family’s child';
    is counted(qw(upload upload_piece change_set)), $before, 'nothing is stored then either';
    for my $size (10_600_000, 11_600_000, 30_000_000) {
        my $r = send_photo($camille, ["\xff\xd8\xff" . 'x' x $size],
            fields => { comment => 'Elle a grandi.' });
        is $r->status, 413, "a photo of $size bytes";
        like $r->content, qr/id="photo-error">.*?trop lourd.{1,2}: 10.{1,2}Mo au plus/, 'said beside it';
        is { @{ $r->form('/photo')->{fields} } }->{comment}, 'Elle a grandi.', 'the message is kept';
    }
    $r = send_photo($camille, ["\xff\xd8\xff" . 'x' x 34_000_000]);
    is $r->status, 413, 'more than is read';
    like $r->text, qr/Ce fichier est trop lourd.{1,2}: 10.{1,2}Mo au plus/, 'says what a file may have';
    is counted(qw(upload upload_piece change_set)), $before, 'none of them is stored';
}


### kept while another field is refused

my $refused = send_photo($camille, [$phone, '../../x"; filename="\\evil.php', 'text/html'],
    fields => { comment => 'x' x 1001 });
is $refused->status, 422, 'a message that is too long is refused';
like $refused->text, qr/Photo déjà envoyée.*photo\.jpg – \d+ ko \(JPEG\)/s, 'the photo is kept';
unlike $refused->content, qr/evil|IMG_1/, 'T124: its name is nowhere';
is kept(), 1, 'once';
like $camille->get($page)->text, qr/Photo déjà envoyée/, 'a later visit finds it';
unlike $julien->get($page)->text, qr/déjà envoyée/, 'the other guardian does not';

my $sent = send_photo($camille, undef, page => $refused, fields => { comment => 'Elle a grandi.' });
is $sent->status, 303, 'sent without choosing it again';
my $first = number_of($sent);
is kept(), 0, 'the request names it';
unlike $camille->get($page)->text, qr/déjà envoyée/, 'so that it is no longer offered';
is $portal->psql("select count(*) from portal.upload_piece where sealed like '%SecretMaker%'
    or sealed like '%/9j/%'"), 0, 'nothing plain in the database';


### seen by who may

my $receipt = $camille->get("/famille/demandes/$first");
like $receipt->content, qr{<img class="photo" src="/famille/demandes/$first/photo.jpg" alt="Photo demand\S+e"},
    'the receipt shows it';
unlike $receipt->text, qr/[0-9a-f]{8}-[0-9a-f]{4}/, 'and no id';
my $picture = $camille->get("/famille/demandes/$first/photo.jpg");
is $picture->status, 200, 'T134: the picture';
is colours($picture->content), 'BRWG 64x96', 'turned upright';
unlike $picture->content, qr/Secret|Exif|48\.8566/, 'without maker or place';
my $file = do { spew("$dir/out.jpg", $picture->content); `file $dir/out.jpg` };
like $file, qr/JPEG image data, JFIF/, 'another tool says so, too';
unlike $file, qr/Exif|GPS|orientation/i, 'and finds no metadata';
unlike `exiftool -a -G1 $dir/out.jpg`, qr/^\[(?!ExifTool|System|File|JFIF|Composite)/m,
    'nor does a third one';
is $picture->header('content-type'), 'image/jpeg', 'its type';
is $picture->header('content-disposition'), 'inline; filename="photo.jpg"', 'a neutral name';
is $picture->header('cache-control'), 'private, no-store', 'T134: no cache keeps it';
is $picture->header('x-content-type-options'), 'nosniff', 'nosniff';
is $picture->header('content-security-policy'), q(default-src 'none'; sandbox; frame-ancestors 'none'),
    'it can run nothing';
is $picture->header('cross-origin-resource-policy'), 'same-origin', 'T134: no other site shows it';
is scalar(grep { $_->[0] eq 'content-security-policy' } @{ $picture->{list} }), 1, 'one policy';
my $head = $camille->request('HEAD', "/famille/demandes/$first/photo.jpg");
is $head->status, 200, 'HEAD';
is $head->header('content-length'), length $picture->content, 'with its length';
my $range = $camille->get("/famille/demandes/$first/photo.jpg", headers => { Range => 'bytes=0-9' });
is $range->status . ' ' . length $range->content, '200 ' . length $picture->content,
    'T134: a range gets all';
is $camille->post("/famille/demandes/$first/photo.jpg", { a => 1 })->status, 405, 'no POST there';

is $julien->get("/famille/demandes/$first/photo.jpg")->status, 404, 'T082: not the other guardian';
is client()->get("/famille/demandes/$first/photo.jpg")->status, 303, 'T082: not a visitor';
is $camille->get("/demandes/$first/photo.jpg")->status, 404, 'the agents’ address is not ours';
is $agent->get("/famille/demandes/$first/photo.jpg")->status, 404, 'nor the other way';

my $at_work = $agent->get("/demandes/$first");
like $at_work->content, qr{src="/demandes/$first/photo.jpg" alt="Photo demand\S+e"}, 'an agent sees it';
is $agent->get("/demandes/$first/photo.jpg")->content, $picture->content, 'the same one';
is $agent->get("/demandes/$first/photo-actuelle.jpg")->status, 404, 'there is none today';
my $elsewhere = agent_client(town => 'beaulieu');
is $elsewhere->get("/demandes/$first/photo.jpg")->status, 404, 'T082: not another town’s agent';


### accepted

is decide($first, 'accept')->status, 303, 'accepted';
my $shown = $camille->get("/famille/enfants/$child");
like $shown->content, qr{<img class="photo" src="$page.jpg" alt="Photo.{1,2}: [^"]+"}, 'on the child’s page';
like $shown->text, qr/Changer la photo/, 'which offers another one';
like $camille->get('/famille')->content, qr{<img class="avatar" src="$page.jpg" alt="Photo.{1,2}: }, 'and the family’s';
is $camille->get("$page.jpg")->content, $picture->content, 'it is that picture';
is $julien->get("$page.jpg")->status, 200, 'the other guardian sees it';
my $j = client(json => 1);
$j->{cookies} = $camille->{cookies};
is $j->get("/famille/enfants/$child")->json->{child}{photo}{path}, "$page.jpg", 'JSON says where';
my $out = in('sophie');
is $out->get("$page.jpg")->status, 404, 'T082: another family does not';


### another one, refused, accepted, undone

my $second = number_of(send_photo($camille, [$webp, 'a.webp', 'image/webp']));
like $camille->get("/famille/demandes/$second")->content,
    qr{photo-avant\.jpg" alt="Photo au moment de la demande".*photo\.jpg" alt="Photo demand\S+e"}s,
    'both pictures beside each other';
is colours($camille->get("/famille/demandes/$second/photo-avant.jpg")->content), 'BRWG 64x96',
    'the one of before';
is colours($agent->get("/demandes/$second/photo-actuelle.jpg")->content), 'BRWG 64x96', 'of now';
is colours($agent->get("/demandes/$second/photo.jpg")->content), 'RGBW 96x64', 'and of then';
is decide($second, 'accept')->status, 303, 'accepted';
is colours($camille->get("$page.jpg")->content), 'RGBW 96x64', 'it is the child’s';
my $back = decide($second, 'reverse', reason => 'Ce n’est pas cet enfant.');
is $back->status, 303, 'undone';
is colours($camille->get("$page.jpg")->content), 'BRWG 64x96', 'the former one is back';

my $third = number_of(send_photo($camille, [$jpeg]));
is decide($third, 'refuse', reason => 'Le visage ne se voit pas.')->status, 303, 'refused';
is colours($camille->get("$page.jpg")->content), 'BRWG 64x96', 'nothing changes';


### sent twice, replaced

{
    my $again = $camille->get($page);
    my @r = map { send_photo($camille, [$jpeg], page => $again) } 1 .. 2;
    is $r[0]->location, $r[1]->location, 'the same form twice: one request';
    is kept(), 0, 'and no file is left over';
    my $replaced = number_of(send_photo($camille, [$webp]));
    isnt $replaced, number_of($r[0]), 'another one takes its place';
    is $portal->psql("select state from portal.change_set where id = " . number_of($r[0])),
        'replaced', 'the first one is replaced';
    my $without = send_photo($camille, undef, fields => { comment => 'La même.' });
    is $without->status, 303, 'a message more: the same photo';
    is colours($camille->get('/famille/demandes/' . number_of($without) . '/photo.jpg')->content),
        'RGBW 96x64', 'which goes on';
    $camille->submit($camille->get('/famille/demandes/' . number_of($without)), {},
        form => '/famille/demandes/' . number_of($without));
}


### JSON

{
    my $csrf = $j->get($page)->json->{csrf};
    my $body = join "\r\n", '--b', 'Content-Disposition: form-data; name="photo"; filename="x"', '',
        $jpeg, '--b--', '';
    my $r = $j->post($page, $body, headers => { 'X-CSRF-Token' => $csrf,
        'Content-Type' => 'multipart/form-data; boundary=b', Accept => 'application/json' });
    is $r->status, 200, 'a program sends one, too';
    like $r->json->{location}, qr{^/famille/demandes/\d+}, 'and reads where it went';
    $camille->submit($camille->get($r->json->{location}), {}, form => $r->json->{location});
}


### what the town does not take is not kept

for my $policy (qw(hidden shown)) {
    my $old = $camille->get($page);
    $portal->psql("insert into portal.field_policy (tenant, section, field, policy)
        values (1, 'child_photo', 'photo', '$policy')");
    is send_photo($camille, [$jpeg], page => $old)->status, 409, "$policy: over a page of before";
    is kept(), 0, 'the photo is not kept';
    my $csrf = $j->get($page)->json->{csrf};
    my $body = join "\r\n", '--b', 'Content-Disposition: form-data; name="photo"; filename="x"', '',
        $jpeg, '--b--', '';
    is $j->post($page, $body, headers => { 'X-CSRF-Token' => $csrf, Accept => 'application/json',
        'Content-Type' => 'multipart/form-data; boundary=b' })->status, 422, 'nor is it taken';
    is kept(), 0, 'or kept';
    $portal->psql("delete from portal.field_policy where section = 'child_photo'");
}


### taken out

is send_photo($camille, undef)->status, 422, 'nothing chosen';
my $gone = number_of(send_photo($camille, undef, fields => { step => 'remove' }));
like $camille->get("/famille/demandes/$gone")->text, qr/Demandé :\s*Pas de photo/, 'its removal is asked for';
is $camille->get("$page.jpg")->status, 200, 'until that is accepted it stays';
is decide($gone, 'accept')->status, 303, 'accepted';
is $camille->get("$page.jpg")->status, 404, 'it is gone';
unlike $camille->get('/famille')->content, qr/photo\.jpg/, 'from the family’s page, too';
$portal->psql("update portal.upload set left_at = now() - interval '31 days' where left_at is not null");
$portal->psql('select portal.purge()');
is $portal->psql('select count(*) from portal.upload where left_at is not null'), 0,
    'after its time it is erased';
is decide($gone, 'reverse', reason => 'Pardon.')->status, 409, 'and cannot come back';


### T127, limits, purge

{
    my $before = counted(qw(upload change_set));
    my $body = send_photo($camille, [$phone . 'x' x 300_000], only => 1);
    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $portal->port) or die;
    my $cookies = join '; ', map { "$_=$camille->{cookies}{$_}" } keys %{ $camille->{cookies} };
    print $socket "POST $page HTTP/1.1\r\nHost: $camille->{host}\r\nOrigin: $camille->{origin}\r\n"
        . "Sec-Fetch-Site: same-origin\r\nCookie: $cookies\r\n"
        . "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: " . length($body)
        . "\r\n\r\n" . substr $body, 0, 150_000;
    $socket->flush;
    setsockopt $socket, Socket::SOL_SOCKET(), Socket::SO_LINGER(), pack 'II', 1, 0;
    close $socket;
    is $camille->get($page)->status, 200, 'T127: half a body and gone';
    is counted(qw(upload change_set)), $before, 'nothing is stored';
}

$portal->psql("update portal.town set uploads_waiting = 2 where id = 1");
$portal->psql("insert into portal.upload (tenant, id, family_id, section, field, kind, size, pieces, stored)
    select 1, gen_random_uuid(), f.id, 'guardian_tax', 'document', 'pdf', 1000, 1, 1
    from portal.family f, generate_series(1, 2) where f.number = '104201'");
my $full = send_photo($camille, [$jpeg]);
is $full->status, 422, 'too many that wait';
like $full->text, qr/Trop de fichiers/, 'in words';
$portal->psql("update portal.upload set created_at = now() - interval '25 hours' where set_id is null");
$portal->psql('select portal.purge()');
is kept(), 0, 'after a day they go';
$portal->psql("update portal.town set uploads_waiting = 20, upload_space = 1 where id = 1");
$portal->psql("insert into portal.upload (tenant, id, family_id, section, field, kind, size, pieces)
    select 1, gen_random_uuid(), f.id, 'guardian_tax', 'document', 'pdf', 1048000, 4
    from portal.family f where f.number = '104201'");
$full = send_photo($camille, [$jpeg]);
is $full->status, 422, 'no room is left';
like $full->text, qr/beaucoup de fichiers/, 'in words';
$portal->psql("delete from portal.upload where set_id is null;
    update portal.town set upload_space = 50 where id = 1");


### a piece elsewhere does not open

{
    my $one = number_of(send_photo($camille, [$jpeg]));
    $portal->psql("update portal.upload_piece p set sealed = (select sealed from portal.upload_piece o
        where o.upload_id <> p.upload_id limit 1) where p.upload_id =
        (select id from portal.upload where set_id = $one)");
    expect_complaint(qr/a piece of a file does not open|answered 500/);
    is $camille->get("/famille/demandes/$one/photo.jpg")->status, 500, 'a piece of another file';
}



### T133: a program that dies, hangs, is not there, has no turn; no room for a body

chmod 0755, $dir;
spew("$dir/photo", <<"END");
#!/bin/sh
read -r mode < $dir/mode
case \$mode in
    crash) kill -SEGV \$\$ ;;
    hang) exec sleep 60 ;;
    none) exit 20 ;;
esac
exec $dir/real
END
spew("$dir/real", slurp('build/portal-photo'));
chmod 0755, "$dir/photo", "$dir/real";
spew("$dir/mode", "real\n");
mkdir "$dir/bodies";
chmod 0777, "$dir/bodies";

my $second_stack = portal(new => 1, photo => "$dir/photo processes=1 queue=1", workers => 1,
    server => "client_body_temp_path $dir/bodies;");
my $parent = in('camille');
my @pids = sort $second_stack->nginx->workers;

sub mode { spew("$dir/mode", "$_[0]\n") }

is send_photo($parent, [$jpeg])->status, 303, 'the program as it is';
mode('crash');
expect_complaint(qr/portal-photo|photo/);
my $r = send_photo($parent, [$jpeg]);
is $r->status, 422, 'T133: it crashes';
like $r->text, qr/abîmée ou incomplète/, 'which is the picture’s fault';
mode('none');
$r = send_photo($parent, [$jpeg]);
is $r->status, 503, 'T133: no sandbox';
ok $r->header('retry-after'), 'Retry-After';
like $r->text, qr/Réessayez dans une minute/, 'with the form again';

mode('hang');
{
    my @forms = map { $parent->get($page) } 1 .. 3;
    my @bodies = map { send_photo($parent, [$jpeg], page => $_, only => 1) } @forms;
    my @pending = map { $parent->post($page, $_, pending => 1, headers => {
        'Content-Type' => 'multipart/form-data; boundary=b' }) } @bodies;
    is $parent->get('/famille')->status, 200, 'other pages are served meanwhile';
    my @ends = sort map { $_->status } Portal::Pending->pages(@pending);
    is "@ends", '422 422 503', 'T133: it hangs; one has no turn at all';
}
mode('real');
is send_photo($parent, [$webp])->status, 303, 'and on it goes';
is join(' ', sort $second_stack->nginx->workers), "@pids", 'the same worker';
is scalar(grep { /photo/ } `ps -o args= --ppid $pids[0]`), 0, 'no process is left';

chmod 0, "$dir/bodies";
rename "$dir/bodies", "$dir/away";
expect_complaint(qr/bodies/);
$r = send_photo($parent, [$jpeg . 'x' x 200_000]);
is $r->status, 500, 'no room for a body';
like $r->text, qr/Recommencez|réessayez|Réessayez|probl/i, 'in words';
rename "$dir/away", "$dir/bodies";

done_testing;
