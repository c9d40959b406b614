#!/usr/bin/perl

# portal-photo, the program, by itself: whatever comes in, what comes out is a
# small upright JPEG with nothing else in it, or nothing and a reason, soon.

use strict;
use warnings;
use utf8;

use Compress::Zlib qw(compress crc32);
use File::Temp ();
use JSON::PP ();
use Test::More;
use Time::HiRes qw(time);

use lib 't/lib';
use Portal::Place qw(patient slurp spew top);

chdir top() or die;

# exit status, or 'signal N'
my ($TYPE, $SIZE, $DAMAGED) = (11, 12, 13);
my $SIGSYS = 'signal 31';

my $dir = File::Temp->newdir(TEMPLATE => 'portal-photo-XXXXXX', TMPDIR => 1);
my $program = 'build/portal-photo';

my $built = `make -s photo-programs 2>&1`;
is $?, 0, 'built without a warning' or diag $built;
ok -x $program, 'the program is built' or BAIL_OUT 'make build';

my ($slowest, $runs) = (0, 0);

# bytes in, by a file or a pipe; what became of it and what came out
sub run {
    my ($bytes, %o) = @_;

    my $in = "$dir/in";
    spew($in, $bytes);

    my $start = time;
    my $pid = open my $out, '-|';
    if (!$pid) {
        open STDIN, '<', $in or die;
        exec { $o{program} // $program } 'portal-photo', @{ $o{args} // [] } or die;
    }
    binmode $out;
    my $got = do { local $/; <$out> } // '';
    close $out;
    my $end = $? & 127 ? 'signal ' . ($? & 127) : $? >> 8;
    my $took = time - $start;

    $slowest = $took if $took > $slowest && !$o{slow};
    $runs++;

    return wantarray ? ($end, $got, $took) : $end;
}

# a list of [end, what came out]; a shell forks faster than what is large
sub run_many {
    my @files = @_;

    my $n = 0;
    my $many = "$dir/many";
    mkdir $many;
    spew(sprintf('%s/%05d', $many, $n++), $_) for @files;
    spew("$dir/loop", <<'END');
for f in "$1"/?????; do
    "$2" <"$f" | cat >"$f.out"
    echo "$f ${PIPESTATUS[0]}"
done
END
    my @got = map {
        my ($file, $end) = split;
        [$end > 128 ? 'signal ' . ($end - 128) : $end, slurp("$file.out")];
    } `bash $dir/loop $many $program`;
    unlink glob "$many/*";
    $runs += @files;

    return @got;
}

sub refused {
    my ($bytes, $want, $name) = @_;

    my ($end, $got) = run($bytes);

    ok $end eq $want && $got eq '', "$name: $end"
        or diag "wanted $want, got $end and ", length $got, ' bytes';
}

# what is in a JPEG, one word per segment
sub segments {
    my ($jpeg) = @_;

    my @names;
    return 'none' if substr($jpeg, 0, 2) ne "\xff\xd8";
    my $pos = 2;
    while ($pos + 4 <= length $jpeg) {
        my ($ff, $marker, $len) = unpack 'CCn', substr $jpeg, $pos, 4;
        return "@names broken" if $ff != 0xff;
        push @names, sprintf '%02x', $marker;
        $pos += 2 + $len;
        last if $marker == 0xda;
    }
    # nothing but coded data and the end
    my $rest = substr $jpeg, $pos;
    return "@names more" if $rest !~ s/\xff\xd9\z// || $rest =~ /\xff(?!\x00)/;

    return "@names";
}

# the middles of the four quarters, as letters; and the size
sub colours {
    my ($jpeg) = @_;

    spew("$dir/out.jpg", $jpeg);
    my $ppm = `djpeg -pnm $dir/out.jpg`;
    my ($width, $height) = $ppm =~ /\AP6\s(\d+) (\d+)\s255\s/ or return 'none';
    my $at = $+[0];
    my $got = '';
    for my $y (1, 3) {
        for my $x (1, 3) {
            my ($r, $g, $b) = unpack 'C3', substr $ppm,
                $at + 3 * (int($height * $y / 4) * $width + int($width * $x / 4)), 3;
            my $bits = join '', map { $_ > 200 ? 1 : $_ < 55 ? 0 : '?' } $r, $g, $b;
            $got .= { 100 => 'R', '010' => 'G', '001' => 'B', 111 => 'W',
                '000' => 'K' }->{$bits} // "($r,$g,$b)";
        }
    }

    return "$got ${width}x$height";
}

# good in, good out
my @all;
sub photo {
    my ($bytes, $want, $name) = @_;

    my ($end, $got) = run($bytes);

    is $end, 0, "$name: taken" or return;
    my $segments = segments($got);
    is $segments =~ s/\b(?:db|c4) //gr, 'e0 c0 da', "$name: nothing but a picture";
    is colours($got), $want, "$name: upright" if $want;
    cmp_ok length $got, '<=', 60_000, "$name: small";
    push @all, $got;

    return $got;
}


### pictures are made here

# red, green over blue, white: rows of RGB
sub quarters {
    my ($width, $height, $noise) = @_;

    my @row = map {
        my ($l, $r) = @$_;
        pack('C3', @$l) x ($width / 2) . pack('C3', @$r) x ($width - int $width / 2)
    } [[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 255]];

    srand 7;
    return map {
        my $row = $row[$_ < int($height / 2) ? 0 : 1];
        $noise ? $row ^ join '', map { chr rand 32 } 1 .. 3 * $width : $row
    } 0 .. $height - 1;
}

sub ppm {
    my ($width, $height, @rows) = @_;

    return "P6\n$width $height\n255\n" . join '', @rows;
}

# through a tool
sub made {
    my ($command, $ppm) = @_;

    spew("$dir/in.ppm", $ppm);
    my $out = `$command`;
    die "$command failed\n" if $? || $out eq '';

    return $out;
}

sub jpeg { return made("cjpeg $_[0] $dir/in.ppm", $_[1]) }
sub webp { return made("cwebp -quiet $_[0] $dir/in.ppm -o -", $_[1]) }

sub chunk { return pack('N', length $_[1]) . $_[0] . $_[1] . pack 'N', crc32("$_[0]$_[1]") }

# raw lines, each with its filter's byte
sub png {
    my ($width, $height, $depth, $colour, $raw, %o) = @_;

    return "\x89PNG\r\n\x1a\n"
        . chunk('IHDR', pack 'NNCCCCC', $width, $height, $depth, $colour, 0, 0, $o{interlace} // 0)
        . ($o{before} // '') . chunk('IDAT', $o{packed} // compress($raw)) . ($o{after} // '')
        . chunk('IEND', '');
}

sub raw { return join '', map { "\0$_" } @_ }

sub tiff {
    my ($orientation, $order) = @_;

    my ($s, $l) = ($order // 'MM') eq 'MM' ? ('n', 'N') : ('v', 'V');

    # orientation, a maker, and a place: what must not come out
    return ($order // 'MM') . pack("$s$l", 42, 8) . pack($s, 3)
        . pack("$s$s$l$s$s", 0x112, 3, 1, $orientation, 0)
        . pack("$s$s${l}$l", 0x10f, 2, 20, 62)
        . pack("$s$s${l}$l", 0x8825, 4, 1, 82)
        . pack($l, 0) . "\0" x 12 . "SecretMaker 48.8566\0"
        . pack($s, 1) . pack("$s$s${l}a4", 1, 2, 2, "N\0\0\0") . pack $l, 0;
}

sub segment { return "\xff" . chr($_[0]) . pack('n', 2 + length $_[1]) . $_[1] }
sub behind_start { return substr($_[0], 0, 2) . $_[1] . substr $_[0], 2 }

my ($w, $h) = (96, 64);
my @rows = quarters($w, $h);
my $ppm = ppm($w, $h, @rows);
my %small = (
    jpeg => jpeg('-quality 95 -sample 1x1', $ppm),
    progressive => jpeg('-quality 95 -progressive', $ppm),
    png => png($w, $h, 8, 2, raw(@rows)),
    webp => webp('-q 90', $ppm),
    lossless => webp('-lossless', $ppm),
);


### what a telephone sends

photo($small{$_}, 'RGBW 96x64', $_) for sort keys %small;

my @upright = qw(RGBW GRWB WBGR BWRG RBGW BRWG WGBR GWRB);
for my $o (1 .. 8) {
    my $want = $upright[$o - 1] . ($o < 5 ? ' 96x64' : ' 64x96');
    my $exif = "Exif\0\0" . tiff($o, $o % 2 ? 'MM' : 'II');

    photo(behind_start($small{jpeg}, segment(0xe1, $exif)), $want, "JPEG turned $o");
    photo(png($w, $h, 8, 2, raw(@rows), before => chunk('eXIf', tiff($o))), $want,
        "PNG turned $o");
    my $vp8 = substr $small{webp}, 12;
    my $t = tiff($o);
    my $body = 'WEBPVP8X' . pack('VVa3a3', 10, 8, pack('V', $w - 1), pack 'V', $h - 1)
        . $vp8 . 'EXIF' . pack('V', length $t) . $t . (length($t) % 2 ? "\0" : '');
    photo('RIFF' . pack('V', length $body) . $body, $want, "WebP turned $o");
}

{
    my $large = ppm(1600, 1200, quarters(1600, 1200, 1));
    photo(jpeg('-quality 85', $large), undef, 'a larger JPEG');
    like colours($all[-1]), qr/ 480x360$/, 'becomes 480 wide';
    photo(webp('-q 70 -m 0', $large), undef, 'a larger WebP');
    like colours($all[-1]), qr/ 480x360$/, 'becomes 480 wide';

    my @noise = map { join '', map { chr rand 256 } 1 .. 3 * 480 } 1 .. 480;
    photo(png(480, 480, 8, 2, raw(@noise)), undef, 'noise');
    photo(jpeg('-grayscale', $ppm), undef, 'grey');
    photo(jpeg('-restart 1', $ppm), 'RGBW 96x64', 'with restarts');
    photo(png(1, 32767, 8, 0, "\0\xff" x 32767), undef, 'high and thin');
    photo(png(32767, 1, 8, 0, "\0" . "\0" x 32767), undef, 'wide and low');
    photo(png(1, 1, 1, 0, "\0\x80"), undef, 'one bit');
}

# each kind of PNG: a left half that is seen through, a right one that is black
{
    my %kind = (
        'alpha' => [8, 6, ("\xff\0\0\0" x 48) . ("\0\0\0\xff" x 48)],
        'alpha of 16 bits' => [16, 6, ("\xff\xff\0\0\0\0\0\0" x 48) . ("\0\0\0\0\0\0\xff\xff" x 48)],
        'grey and alpha' => [8, 4, ("\0\0" x 48) . ("\0\xff" x 48)],
        'grey, one value seen through' => [8, 0, ("\x33" x 48) . ("\0" x 48), chunk('tRNS', pack 'n', 0x33)],
        'a palette, one colour seen through' => [8, 3, ("\0" x 48) . ("\1" x 48),
            chunk('PLTE', "\xff\0\0\0\0\0") . chunk('tRNS', "\0")],
        'one bit and a palette' => [1, 3, ("\0" x 6) . ("\xff" x 6),
            chunk('PLTE', "\xff\xff\xff\0\0\0")],
    );
    for my $name (sort keys %kind) {
        my ($depth, $colour, $row, $before) = @{ $kind{$name} };
        photo(png($w, $h, $depth, $colour, raw(($row) x $h), before => $before // ''),
            'WKWK 96x64', "PNG, $name");
    }
    # through a palette that ends too early
    my $png = png(8, 8, 8, 3, raw(("\5" x 8) x 8), before => chunk('PLTE', "\0" x 3));
    my $end = run($png);
    ok $end eq '0' || $end eq $DAMAGED, 'PNG, a colour that the palette has not';
}

# interlaced: seven passes
{
    my $raw = '';
    for ([0, 0, 8, 8], [4, 0, 8, 8], [0, 4, 4, 8], [2, 0, 4, 4], [0, 2, 2, 4], [1, 0, 2, 2], [0, 1, 1, 2]) {
        my ($x0, $y0, $dx, $dy) = @$_;
        for (my $y = $y0; $y < $h; $y += $dy) {
            $raw .= "\0";
            for (my $x = $x0; $x < $w; $x += $dx) {
                $raw .= substr $rows[$y], 3 * $x, 3;
            }
        }
    }
    photo(png($w, $h, 8, 2, $raw, interlace => 1), 'RGBW 96x64', 'PNG, interlaced');
}


### T119: cut short, altered

{
    my %taken;
    for my $kind (sort keys %small) {
        my $file = $small{$kind};
        my $len = length $file;
        # all of the head, all of the end, and some of what is between
        my @at = grep { $_ < 60 || $_ > $len - 60 || $_ % 11 == 0 } 0 .. $len - 1;
        my %end;
        $end{ $_->[0] }++ for run_many(map { substr $file, 0, $_ } @at);
        # cut within its first bytes it is of no type
        is join(' ', grep { $_ ne $TYPE && $_ ne $DAMAGED } sort keys %end), '',
            "T119 $kind: none of its " . @at . ' beginnings is taken';
    }

    # JPEG whose data end early, in good order
    for my $part (0.3, 0.6, 0.9) {
        for my $kind (qw(jpeg progressive)) {
            my $cut = substr($small{$kind}, 0, int $part * length $small{$kind}) =~ s/\xff\z//r;
            refused("$cut\xff\xd9", $DAMAGED, "T119 $kind: an end put in at $part");
        }
    }

    srand 4711;
    my (%end, @altered);
    for my $n (1 .. 1000) {
        my @kinds = sort keys %small;
        my $file = $small{ $kinds[$n % @kinds] };
        for (1 .. 1 + rand 8) {
            my $at = int rand length $file;
            my $how = int rand 3;
            $how == 0 ? (substr($file, $at, 1) = chr rand 256)
                : $how == 1 ? (substr($file, $at, 1) ^= chr 1 << int rand 8)
                : (substr($file, $at, int rand 20) = '');
        }
        push @altered, $file;
    }
    for (run_many(@altered)) {
        my ($end, $got) = @$_;
        $end{$end}++;
        $end{'taken, and is none'}++ if $end eq '0'
            && segments($got) !~ /\Ae0 (?:db |c4 )*c0 (?:db |c4 )*da\z/;
        $end{'refused with a picture'}++ if $end ne '0' && $got ne '';
    }
    note explain \%end;
    is join(' ', grep { !/\A(?:0|$TYPE|$SIZE|$DAMAGED)\z/ } sort keys %end), '',
        'T119 1,000 alterations: taken or refused, nothing else';
    cmp_ok $end{$DAMAGED}, '>', 300, 'T119 most of them refused';
}


### what else may hang on a photo

{
    my $icc = 'x' x 65_000;
    my $film = 'ftypmp42' . 'moov' x 200_000;
    photo(behind_start($small{jpeg}, join '', map { segment(0xe2,
        "ICC_PROFILE\0" . chr($_) . chr(100) . $icc) } 1 .. 100), 'RGBW 96x64', '6 MB of profile');
    photo(behind_start($small{jpeg}, join '', map { segment(0xe1, "http://ns.adobe.com/xap/1.0/\0$icc") }
        1 .. 100), 'RGBW 96x64', '6 MB of metadata');
    photo(behind_start($small{jpeg}, segment(0xfe, '<?php system($_GET[0]); ?>')), 'RGBW 96x64',
        'JPEG and a script');
    photo($small{jpeg} . $film, 'RGBW 96x64', 'JPEG and a film');
    photo("$small{jpeg}PK\3\4$icc", 'RGBW 96x64', 'JPEG and an archive');
    photo($small{jpeg} . $small{jpeg}, 'RGBW 96x64', 'two JPEGs');
    photo("$small{png}<html><script>alert(1)</script>", 'RGBW 96x64', 'PNG and a page');
    photo("$small{webp}%PDF-1.7", 'RGBW 96x64', 'WebP and a PDF');

    # 1 GB of text, twice; and profiles
    my $bomb = compress("\0" x 50_000_000, 9);
    my $many = join '', map { chunk('zTXt', "Comment\0\0$bomb"), chunk('iTXt', "Comment\0\1\0\0\0$bomb") } 1 .. 10;
    photo(png($w, $h, 8, 2, raw(@rows), before => $many), 'RGBW 96x64', 'PNG and packed texts');
    photo(png($w, $h, 8, 2, raw(@rows), before => chunk('iCCP', "p\0\0$bomb"), after => $many),
        'RGBW 96x64', 'PNG and a packed profile');
    photo(png($w, $h, 8, 2, raw(@rows), before => chunk('tEXt', "a\0b") x 100_000), 'RGBW 96x64',
        'PNG and 100,000 texts');
}


### T118: what it is decides, not what it is called

my %other = (
    empty => '', text => "a\n", gif => "GIF89a\1\0\1\0\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\1\0\1\0\0\2\2D\1\0;",
    svg => '<svg xmlns="http://www.w3.org/2000/svg"><script>1</script></svg>',
    svgz => "\x1f\x8b\x08\0\0\0\0\0\0\3", html => '<!doctype html><img src=x>',
    xml => '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
    pdf => "%PDF-1.7\n", tiff => "II*\0\x08\0\0\0", mvg => 'push graphic-context',
    eps => "%!PS-Adobe-3.0 EPSF-3.0\n", heic => "\0\0\0\x18ftypheic", avif => "\0\0\0\x18ftypavif",
    bmp => 'BM' . "\0" x 60, ico => "\0\0\1\0\1\0", psd => '8BPS', jxl => "\xff\x0a",
    'a page before a JPEG' => "<html>$small{jpeg}",
    'a JPEG in capitals' => "\xff\xd8\xfe", zip => "PK\3\4",
);
refused($other{$_}, $TYPE, "T118 $_") for sort keys %other;

my $progressive = $small{progressive};
refused(jpeg('-arithmetic', $ppm), $TYPE, 'T118 JPEG, arithmetic coding');
refused(png($w, $h, 8, 2, raw(@rows), before => chunk('acTL', pack 'NN', 10_000, 0)), $TYPE,
    'T122 an animated PNG');
refused('RIFF' . pack('V', 36) . 'WEBPVP8X' . pack('VVa3a3', 10, 2, "\x5f\0\0", "\x3f\0\0") . "ANIM\6\0\0\0"
    . "\0" x 6, $TYPE, 'T122 an animated WebP');
{
    my $frames = join '', map { 'ANMF' . pack('V', 24) . "\0" x 24 } 1 .. 10_000;
    my $body = 'WEBPVP8X' . pack('VVa3a3', 10, 2, "\x5f\0\0", "\x3f\0\0") . "ANIM\6\0\0\0" . "\0" x 6 . $frames;
    refused('RIFF' . pack('V', length $body) . $body, $TYPE, 'T122 an animated WebP of 10,000 frames');
}


### too large

{
    my $big = pack 'nn', 30_000, 30_000;
    my ($sof) = $small{jpeg} =~ /\xff\xc0\0\x11\x08/ ? $-[0] : die;
    refused(substr($small{jpeg}, 0, $sof + 5) . $big . substr($small{jpeg}, $sof + 9), $SIZE,
        'T120 JPEG that says 900 million pixels');
    refused(png(30_000, 30_000, 8, 2, ''), $SIZE, 'T120 PNG that says it');
    refused(png(0xffffffff, 1, 8, 2, ''), $SIZE, 'T120 PNG of the widest');
    refused('RIFF' . pack('V', 4 + 14) . 'WEBPVP8L' . pack('V', 5) . "\x2f\xff\xff\xff\x0f\0", $SIZE,
        'T120 WebP that says it');
    refused($small{jpeg} . "\0" x (10 * 1024 * 1024), $SIZE, 'more than 10 MB');

    # 40 million pixels in a few bytes: true, and worked on
    my $row = "\0" . "\x7f" x 3 x 8000;
    my $end = run(png(8000, 5000, 8, 2, $row x 5000));
    is $end, 0, 'PNG of 40 million pixels';
    $end = run(png(8000, 5000, 16, 6, '', packed => compress("\0" x (5000 * 64_001), 1)));
    is $end, 0, 'PNG of 40 million pixels of eight bytes';
    refused(png(8000, 5001, 8, 2, $row), $SIZE, 'and one row more');
}


### T121: scans

{
    # DC, then one scan for each of the first coefficients
    my $scans = sub {
        spew("$dir/scans", "0,1,2: 0-0, 0, 0;\n" . join '', map { "0: $_-$_, 0, 0;\n" } 1 .. $_[0] - 1);
        return jpeg("-quality 90 -scans $dir/scans", $_[1]);
    };
    photo($scans->(32, $ppm), 'RGBW 96x64', 'T121 32 scans');
    refused($scans->(33, $ppm), $DAMAGED, 'T121 33 scans');

    my $few = $scans->(2, $ppm);
    my ($last) = $few =~ /.*(\xff\xda\0\x08.*)\xff\xd9\z/s;
    my $start = time;
    refused(substr($few, 0, -2) . $last x 3000 . "\xff\xd9", $DAMAGED, 'T121 3,000 scans');
    refused(substr($few, 0, -2) . $last . "\xff\xda\0\x08\1\1\0\1\1\0" x 300_000 . "\xff\xd9", $DAMAGED,
        'T121 300,000 scans');
    cmp_ok time - $start, '<', patient(20), 'T121 soon';
}


### with another tool's eyes

{
    my $n = 0;
    spew(sprintf("$dir/all-%03d.jpg", $n++), $_) for @all;
    my $seen = JSON::PP->new->utf8->decode(scalar `exiftool -j -G1 -a -u $dir/all-*.jpg`);
    my (%tags, @wrong);
    for my $file (@$seen) {
        $tags{$_}++ for grep { !/^(?:SourceFile|ExifTool:|System:|File:)/ } keys %$file;
        push @wrong, $file->{SourceFile} if $file->{'File:MIMEType'} ne 'image/jpeg'
            || $file->{'File:EncodingProcess'} !~ /^Baseline/
            || $file->{'File:ColorComponents'} != 3
            || $file->{'File:ImageWidth'} > 480 || $file->{'File:ImageHeight'} > 480;
    }
    cmp_ok scalar(@$seen), '==', scalar(@all), 'exiftool reads each of the ' . @all;
    is_deeply \@wrong, [], 'baseline, 480 at most';
    is_deeply [grep { !/^(?:JFIF:|Composite:(?:ImageSize|Megapixels)$)/ } sort keys %tags], [],
        'and finds no word in any';
    is scalar(grep { /SecretMaker|48\.8566|Exif/ } @all), 0, 'nor is there one';
}

cmp_ok $slowest, '<', patient(20), sprintf 'none of %d took long: %.2f s at most', $runs, $slowest;


### T133: a picture that has taken the program over can do nothing with it

{
    my $tricks = 'build/unit/photo-tricks';
    my $trick = sub { return scalar run("TRICK $_[0]", program => $tricks, slow => 1) };

    is run($small{jpeg}, program => $tricks), 0, 'the program with the tricks is the program';
    is $trick->($_), $SIGSYS, "T133 $_: killed"
        for qw(open openat2 socket connect exec fork kill ptrace run protect stderr stdout-in limit i386);
    is $trick->('grow'), $SIZE, 'T133 512 MB and no more';
    is $trick->('crash'), 'signal 11', 'T133 it may crash';
    # killed after five seconds of work, or thirty of the clock
    like $trick->('hang'), qr/^signal (?:9|14)$/, 'T133 it may not hang';
    is $trick->('nonsense'), 97, 'the tricks themselves were played';
    unlike slurp($program), qr/TRICK|tricked/, 'T133 there are none in the program that is installed';
    refused('TRICK crash', $TYPE, 'T133 to which it is a text');
}

# a town's logo: the same program, told so

{
    my ($end, $got) = run($small{png}, args => ['logo']);
    is $end, 0, 'a logo: taken';
    is join(' ', $got =~ /\A\x89PNG\r\n\x1a\n/ ? $got =~ /(IHDR|IDAT|IEND|tEXt|tIME|pHYs|gAMA|eXIf)/g : 'none'), 'IHDR IDAT IEND',
        'a PNG of nothing but the picture';
    # what it made is a picture that it takes again, and the same
    is((run($got, args => ['logo']))[1], $got, 'which stays what it is');
    is colours((run($got))[1]), 'RGBW 96x64', 'as it was drawn';

    my $see_through = png(32, 32, 8, 6, raw(("\xff\0\0\0" x 16 . "\0\0\xff\xff" x 16) x 32));
    my $white = (run($see_through, args => ['logo']))[1];
    is colours((run($white))[1]), 'WBWB 32x32', 'on white, where one could see through it';

    my $photo = ppm(600, 400, map { my $y = $_; join '', map { chr rand 256 } 1 .. 1800 } 1 .. 400);
    ($end, $got) = run(jpeg('-quality 90', $photo), args => ['logo']);
    is $end, 0, 'a photograph: taken';
    like $got, qr/\A\xff\xd8\xff/, 'as a JPEG, which is smaller';
    cmp_ok length $got, '<=', 60_000, 'and small';
    is run('<svg xmlns="http://www.w3.org/2000/svg"/>', args => ['logo']), $TYPE, 'no drawing that is a program';
}

# before a byte has been read: what it holds and may do
{
    pipe my $from, my $to or die;
    my $pid = open my $out, '-|';
    if (!$pid) {
        close $to;
        open STDIN, '<&', $from or die;
        exec { $program } 'portal-photo' or die;
    }
    close $from;
    my $ready = Portal::Place::wait_for(10, sub {
        (slurp("/proc/$pid/status") // '') =~ /^Seccomp:\s+2$/m });
    ok $ready, 'T133 a filter stands before anything is read';
    my $status = slurp("/proc/$pid/status");
    like $status, qr/^NoNewPrivs:\s+1$/m, 'T133 and no way to new rights';
    my $limits = slurp("/proc/$pid/limits") // '';
    for (['Max address space', 512 * 1024 * 1024], ['Max cpu time', 5], ['Max open files', 0],
        ['Max processes', 0], ['Max file size', 0], ['Max core file size', 0])
    {
        my ($name, $most) = @$_;
        like $limits, qr/^$name\s+$most\s+$most\b/m, "T133 $name: $most";
    }
    close $to;
    close $out;
    is $? >> 8, $TYPE, 'nothing came: no photo';
}

done_testing;
